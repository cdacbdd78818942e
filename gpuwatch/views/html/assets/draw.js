"use strict";
// Draws rows as SVG (lines) and canvas (strips). Knows pixels; what a row is about is decided elsewhere.
const laneDrawing = ({ left, right, bottom, words }) => {
  const svg = node("svg", { class: "chart", "aria-hidden": "true" });
  const strips = Object.assign(document.createElement("div"), { className: "strips" });
  const window_ = { from: 0, to: 1, wide: 1 };

  function node(tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) made.setAttribute(name, attributes[name]);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  const tenth = (x) => Math.round(x * 10) / 10;
  const across = (t) => ((t - window_.from) / (window_.to - window_.from)) * window_.wide;
  const timeAt = (x) => window_.from + ((x - left) / window_.wide) * (window_.to - window_.from);

  // `rows` from top to bottom; `marks` are [from, to, text, class]; `windows` are stretches to point at.
  function draw({ rows, range, width, height, marksHeight, marks, windows }) {
    Object.assign(window_, { from: range[0], to: range[1], wide: Math.max(50, width - left - right) });
    svg.setAttribute("width", width);
    svg.setAttribute("height", height + bottom);
    const drawn = [background(windows, height), grid(rows, height)];
    if (marksHeight) drawn.push(...markRow(marks, marksHeight, height));
    strips.replaceChildren();
    for (const row of rows) drawn.push(...(row.kind === "lane" ? lane(row) : strip(row)));
    svg.replaceChildren(...drawn);
  }

  function inside(top, height, children) {
    const frame = node("svg", { x: left, y: top, width: window_.wide, height });
    frame.append(...children);
    return frame;
  }

  function background(windows, height) {
    const shown = windows.filter(([a, b]) => b >= window_.from && a <= window_.to);
    return inside(0, height, shown.map(([a, b]) => node("rect", { class: "window", x: across(a), y: 0, width: Math.max(1, across(b) - across(a)), height })));
  }

  function grid(rows, height) {
    const group = node("g", {}), moments = words.moments(window_.from, window_.to, words.clamp(window_.wide / 110, 2, 9));
    const lines = moments.flatMap(([t]) => rows.map((row) => `M${tenth(left + across(t))} ${row.top}v${row.height}`));
    group.append(node("path", { class: "grid", d: lines.join("") }));
    for (const [t, text] of moments) group.append(node("text", { class: "tick", x: left + across(t), y: height + 16, "text-anchor": "middle" }, text));
    return group;
  }

  // Epochs find a place for their name first, then whatever has room beside them.
  function markRow(marks, room, height) {
    const visible = marks.filter(([a, b]) => b >= window_.from && a <= window_.to);
    const shapes = visible.flatMap(([a, b, , kind]) => {
      const x = across(a), line = node("path", { class: "at", d: `M${tenth(x)} ${room - 6}V${height}` });
      return b > a ? [node("rect", { class: kind === "missing data" ? "gap" : "stretch", x, y: room - 12, width: Math.max(1, across(b) - x), height: 6 }), line] : [line];
    });
    const taken = [], names = [];
    for (const [a, , label] of [...visible].sort((p, q) => (q[3] === "epochs") - (p[3] === "epochs"))) {
      const x = Math.max(0, across(a)), text = label.length > 18 ? `${label.slice(0, 17)}…` : label, end = x + text.length * 6.2 + 10;
      if (end > window_.wide || taken.some(([p, q]) => x < q && end > p)) continue;
      taken.push([x, end]);
      names.push(node("text", { class: "tick", x: left + x, y: 10 }, text));
    }
    return [inside(0, height, shapes), ...names];
  }

  function lane(row) {
    const { read, top, height } = row, y = (value) => tenth(height - (height * value) / row.scale);
    const marked = row.tick;
    const labels = [[0, "0"], [marked, row.tickText]].map(([value, text]) => node("text", { class: "tick", x: left - 5, y: top + y(value) + 3.5, "text-anchor": "end" }, text));
    const rule = node("path", { class: "grid", d: `M${left} ${top + height}h${window_.wide}M${left} ${top + y(marked)}h${window_.wide}` });
    const shapes = runs(read).flatMap(([from, to]) => {
      const line = node("path", { class: `line ${row.hue}`, d: path(read, "mid", from, to, y, row.stepped && read.exact) });
      return read.exact ? [line] : [node("path", { class: `band ${row.hue}`, d: outline(read, from, to, y) }), line];
    });
    if (read.exact && read.t.length <= 60) shapes.push(...dots(row, y));
    return [rule, ...labels, inside(top, height, shapes)];
  }

  // Stretches without a hole.
  function runs(read) {
    const found = [];
    let from = -1;
    for (let i = 0; i <= read.t.length; i++) {
      const known = i < read.t.length && Number.isFinite(read.mid[i]);
      if (known && from < 0) from = i;
      if (known || from < 0) continue;
      found.push([from, i]);
      from = -1;
    }
    return found;
  }

  function path(read, plane, from, to, y, stepped) {
    let d = `M${tenth(across(read.t[from]))} ${y(read[plane][from])}`;
    for (let i = from + 1; i < to; i++) {
      const x = tenth(across(read.t[i])), at = y(read[plane][i]);
      d += stepped ? `V${at}H${x}` : `L${x} ${at}`;
    }
    return to - from === 1 ? `${d}h1.5` : d;
  }

  function outline(read, from, to, y) {
    let d = "";
    for (let i = from; i < to; i++) d += `${d ? "L" : "M"}${tenth(across(read.t[i]))} ${y(read.high[i])}`;
    for (let i = to - 1; i >= from; i--) d += `L${tenth(across(read.t[i]))} ${y(read.low[i])}`;
    return `${d}Z`;
  }

  function dots(row, y) {
    const known = row.read.t.map((_, i) => i).filter((i) => Number.isFinite(row.read.mid[i]));
    return known.map((i) => node("circle", { class: `dot-mark ${row.hue}`, cx: tenth(across(row.read.t[i])), cy: y(row.read.mid[i]), r: 2 }));
  }

  // One line of pixels per member, from no colour (0) to the row's (its scale).
  function strip(row) {
    const n = row.members.length, tall = row.height / n, columns = row.z[0].length, gap = tall > 3.5 ? 1 : 0;
    const sharp = window.devicePixelRatio || 1;
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(window_.wide * sharp), height: Math.round(row.height * sharp) });
    canvas.style.cssText = `left:${left}px;top:${row.top}px;width:${window_.wide}px;height:${row.height}px`;
    const pixels = new OffscreenCanvas(columns, n), inner = pixels.getContext("2d");
    inner.putImageData(coloured(row, columns, n), 0, 0);
    const paper = canvas.getContext("2d");
    paper.imageSmoothingEnabled = false;
    row.members.forEach((_, i) => paper.drawImage(pixels, 0, i, columns, 1, 0, i * tall * sharp, canvas.width, (tall - gap) * sharp));
    strips.append(canvas);
    const each = Math.ceil(11 / tall);
    const named = row.members.map((_, i) => i).filter((i) => i % each === 0 && (n - i) * tall >= 10);
    return named.map((i) => node("text", { class: "tick", x: left - 5, y: row.top + (i + 0.5) * tall + 3.5, "text-anchor": "end" }, words.shortName(row.members[i].name || row.family.name)));
  }

  function coloured(row, columns, n) {
    const image = new ImageData(columns, n), low = rgb("shade"), high = rgb(row.hue);
    row.z.forEach((values, i) => values.forEach((value, c) => {
      if (value === null) return;
      const share = words.clamp(value / row.scale, 0, 1), at = 4 * (i * columns + c);
      for (let k = 0; k < 3; k++) image.data[at + k] = low[k] + (high[k] - low[k]) * share;
      image.data[at + 3] = 255;
    }));
    return image;
  }

  function rgb(name) {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim().replace("#", "");
    return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  }

  return { svg, strips, draw, across, timeAt };
};
