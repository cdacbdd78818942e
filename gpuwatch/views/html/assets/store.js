"use strict";
// The lanes' numbers: inflated once, read again at the detail that the shown window needs.
const laneStore = (() => {
  const DRAWN = 700;

  function bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64);
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  async function inflate(id) {
    const packed = bytes(document.getElementById(id).textContent.trim());
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  // 16-bit floats, all high bytes before all low bytes.
  function halves(buffer, at, count, scale) {
    const raw = new Uint8Array(buffer, at, count * 2);
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const bits = (raw[i] << 8) | raw[count + i];
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      const sign = bits & 0x8000 ? -scale : scale;
      if (exponent === 31) out[i] = NaN;
      else if (exponent === 0) out[i] = sign * fraction * 2 ** -24;
      else out[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    }
    return out;
  }

  function median(values) {
    if (!values.length) return NaN;
    values.sort((a, b) => a - b);
    return (values[(values.length - 1) >> 1] + values[values.length >> 1]) / 2;
  }

  // Raw points: their own times. Buckets: equal stretches of the whole run.
  function open(member, seconds, buffer) {
    if (member.points) {
      const t = new Float64Array(new Float32Array(buffer.slice(member.t, member.t + member.points * 4)));
      const mid = halves(buffer, member.mid, member.points, member.scale);
      return { t, mid, low: mid, high: mid, exact: true };
    }
    const count = member.buckets;
    const t = Float64Array.from({ length: count }, (_, i) => ((i + 0.5) * seconds) / count);
    const plane = (name) => halves(buffer, member[name], count, member.scale);
    return { t, mid: plane("mid"), low: plane("low"), high: plane("high"), exact: false };
  }

  function lower(t, x) {
    let a = 0, b = t.length;
    while (a < b) {
      const m = (a + b) >> 1;
      if (t[m] < x) a = m + 1; else b = m;
    }
    return a;
  }

  // At most DRAWN columns of the window: minimum of minima, maximum of maxima, median of medians.
  function read(data, from, to) {
    const first = Math.max(0, lower(data.t, from) - 1);
    const last = Math.min(data.t.length, lower(data.t, to) + 1);
    const group = Math.max(1, Math.ceil((last - first) / DRAWN));
    const out = { t: [], mid: [], low: [], high: [], group, exact: data.exact && group === 1 };
    for (let i = first; i < last; i += group) {
      const end = Math.min(last, i + group);
      let low = Infinity, high = -Infinity;
      const mids = [];
      for (let j = i; j < end; j++) {
        if (Number.isNaN(data.mid[j])) continue;
        low = Math.min(low, data.low[j]);
        high = Math.max(high, data.high[j]);
        mids.push(data.mid[j]);
      }
      out.t.push((data.t[i] + data.t[end - 1]) / 2);
      out.mid.push(median(mids));
      out.low.push(mids.length ? low : NaN);
      out.high.push(mids.length ? high : NaN);
    }
    return out;
  }

  // Spans of the window in columns: the share of each column's time that each label covers.
  function readSpans(member, labels, seconds, buffer, from, to, columns) {
    const width = (to - from) / columns;
    const out = labels.map(() => new Float64Array(columns));
    if (member.spans) {
      for (const [start, end, label] of member.spans) {
        const a = Math.max(start, from), b = Math.min(end, to);
        for (let c = Math.max(0, Math.floor((a - from) / width)); c < columns && from + c * width < b; c++) {
          const left = from + c * width;
          out[label][c] += Math.max(0, Math.min(b, left + width) - Math.max(a, left)) / width;
        }
      }
      return out;
    }
    const raw = new Uint8Array(buffer, member.shares, labels.length * member.buckets);
    for (let c = 0; c < columns; c++) {
      const at = (x) => Math.max(0, Math.min(member.buckets - 1, Math.floor((x / seconds) * member.buckets)));
      const first = at(from + c * width), last = Math.max(first, at(from + (c + 1) * width - 1e-9));
      for (let l = 0; l < labels.length; l++) {
        let sum = 0;
        for (let i = first; i <= last; i++) sum += raw[l * member.buckets + i];
        out[l][c] = sum / member.level / (last - first + 1);
      }
    }
    return out;
  }

  return { inflate, open, read, readSpans, lower };
})();
