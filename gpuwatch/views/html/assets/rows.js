"use strict";
// What the timeline's rows are, and what each shows in a window: a family of few is a lane each; of many, the worst as
// a lane and all of them as strips.
const laneRows = (index, words, buffer) => {
  const HEAD = 22, MARKS = 26, MANY = 4;
  const { clamp, said } = words;
  const opened = new Map();
  const isIdle = (label) => label === "waiting";
  const isWait = (family) => family.waits;
  const WHOLE = { share: 1, "%": 100 };

  function lay({ shown, unfolded }) {
    const rows = [];
    index.families.forEach((family, at) => {
      if (!shown.has(at)) return;
      const n = family.members.length, hue = isWait(family) ? "wait" : "work";
      const strip = { family, at, hue, kind: "strip", members: family.members, height: clamp(n * (n > 16 ? 4 : 9), 22, 256) };
      if (family.kind === "spans") return void rows.push(strip);
      const single = n <= MANY || unfolded.has(at);
      const lanes = single ? family.members : family.members.slice(0, 1);
      lanes.forEach((member, nth) => rows.push({ family, at, hue, kind: "lane", member, nth, stepped: family.unit === "ms", height: n > 1 ? 40 : 56 }));
      if (!single) rows.push(strip);
    });
    const marksHeight = index.marks.length ? MARKS : 0;
    let y = marksHeight;
    for (const row of rows) {
      row.top = y + HEAD;
      row.headTop = y + 1;
      y = row.top + row.height + 6;
    }
    return { rows, height: y, marksHeight };
  }

  function title(row) {
    const { family } = row, n = family.members.length;
    if (row.kind === "strip") {
      if (family.kind === "spans") return n > 1 ? `${family.title}: ${n}, the busiest on top` : family.title;
      return `${family.title}: all ${n}, the worst on top`;
    }
    if (n === 1) return family.title;
    return `${family.title} · ${row.member.name}${row.nth === 0 ? " (worst)" : ""}`;
  }

  function about(row) {
    if (row.kind === "strip") return row.family.help;
    const { stats } = row.member, unit = row.family.unit;
    return `median ${said(stats.median, unit)}, 95 % below ${said(stats.p95, unit)}, highest ${said(stats.high, unit)}`;
  }

  function data(member) {
    if (!opened.has(member)) opened.set(member, laneStore.open(member, index.seconds, buffer));
    return opened.get(member);
  }

  // Gives a row what it shows in a window of time that is `columns` pixels wide.
  function read(row, range, columns) {
    if (row.kind === "strip") return readStrip(row, range, clamp(Math.floor(columns), 100, 700));
    row.read = laneStore.read(data(row.member), ...range);
    row.scale = topOf(row);
    row.tick = words.round(row.scale);
    row.tickText = said(row.tick, row.family.unit);
  }

  function topOf(row) {
    const known = row.read.high.filter(Number.isFinite);
    if (!known.length) return 1;
    const highest = Math.max(...known), whole = WHOLE[row.family.unit];
    if (whole && highest <= whole && highest > whole / 10) return whole;
    const middle = row.read.mid.filter(Number.isFinite).sort((a, b) => a - b);
    const usual = 4 * middle[Math.floor(middle.length * 0.95)];
    return (usual > 0 ? Math.min(highest, usual) : highest) * 1.05 || 1;
  }

  function readStrip(row, range, columns) {
    const spans = row.family.kind === "spans";
    row.shares = new Map();
    row.z = row.members.map((member) => (spans ? atWork(row, member, range, columns) : valuesIn(member, range, columns)));
    row.scale = (spans ? 1 : WHOLE[row.family.unit]) || Math.max(...row.members.map((member) => member.stats.p95)) || 1;
  }

  function atWork(row, member, range, columns) {
    const shares = laneStore.readSpans(member, row.family.labels, index.seconds, buffer, ...range, columns);
    row.shares.set(member, shares);
    return Array.from({ length: columns }, (_, c) => {
      const all = shares.reduce((sum, share) => sum + share[c], 0);
      const busy = shares.reduce((sum, share, label) => sum + (isIdle(row.family.labels[label]) ? 0 : share[c]), 0);
      return all > 0.01 ? Math.min(1, busy) : null;
    });
  }

  function valuesIn(member, range, columns) {
    const lane = data(member), usual = (lane.t.length > 1 ? lane.t[1] - lane.t[0] : 0) * 3, width = (range[1] - range[0]) / columns;
    return Array.from({ length: columns }, (_, c) => {
      const x = range[0] + (c + 0.5) * width, near = nearest(lane.t, x);
      if (near >= lane.t.length || Math.abs(lane.t[near] - x) > Math.max(usual, width)) return null;
      return Number.isFinite(lane.mid[near]) ? lane.mid[near] : null;
    });
  }

  function nearest(t, x) {
    const i = laneStore.lower(t, x);
    return i > 0 && (i >= t.length || x - t[i - 1] < t[i] - x) ? i - 1 : i;
  }

  // What a row says of one moment; a strip says it of the member pointed at.
  function valueAt(row, x, range, member) {
    const unit = row.family.unit;
    if (row.kind === "lane") {
      const i = nearest(row.read.t, x), middle = said(row.read.mid[i] ?? NaN, unit);
      return row.read.exact || !Number.isFinite(row.read.mid[i]) ? middle : `${middle} (${said(row.read.low[i], unit)} to ${said(row.read.high[i], unit)})`;
    }
    if (member === undefined) return "";
    const columns = row.z[0].length, c = clamp(Math.floor(((x - range[0]) / (range[1] - range[0])) * columns), 0, columns - 1);
    const named = row.members[member];
    if (row.family.kind !== "spans") return `${named.name}: ${said(row.z[member][c], unit)}`;
    const shares = row.shares.get(named).map((share, label) => [share[c], row.family.labels[label]]).filter(([share]) => share >= 0.005);
    const parts = shares.sort((a, b) => b[0] - a[0]).map(([share, label]) => `${label} ${words.short(share * 100)} %`);
    return `${named.name}: ${parts.join(", ") || "not running"}`;
  }

  return { MANY, lay, title, about, read, valueAt };
};
