"use strict";
// The timeline: aligned lanes over one axis of time, drawn by plotly, read again at every zoom.
(() => {
  const index = JSON.parse(document.getElementById("lane-index").textContent);
  const root = document.documentElement;
  if (!index.families.length || !("DecompressionStream" in window)) return;

  const LEFT = 62, RIGHT = 10, HEAD = 22, BOTTOM = 30, MARKS = 26;
  const MANY = 4, LEAST = index.seconds * 1e-6;
  const state = {
    shown: new Set(index.families.map((family, at) => (family.shown ? at : -1)).filter((at) => at >= 0)),
    unfolded: new Set(),
    range: [0, index.seconds],
    finding: null,
    cursor: null,
  };
  if (!state.shown.size) index.families.slice(0, 6).forEach((_, at) => state.shown.add(at));
  const host = document.getElementById("lanes");
  const make = (tag, name, text) => Object.assign(document.createElement(tag), { className: name || "", textContent: text || "" });
  const plot = Object.assign(make("div"), { id: "plot", tabIndex: 0 });
  const heads = make("div"), cursor = make("div", "cursor"), clock = make("i");
  const opened = new Map();
  let buffer = null, rows = [], height = 0;

  const ink = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const isIdle = (label) => /^(waiting|idle|wait|index wait)$/.test(label);
  const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
  const isWait = (family) => /wait|throttl|pressure|stall/i.test(family.name);
  const hue = (family) => ink(isWait(family) ? "wait" : "work");

  // Figures with their unit.

  function figures(x) {
    if (x === 0) return "0";
    const decimals = clamp(2 - Math.floor(Math.log10(Math.abs(x))), 0, 6);
    return x.toFixed(decimals).replace(/\.?0+$/, (end) => (end.startsWith(".") ? "" : decimals ? "" : end));
  }

  function said(x, unit) {
    if (x === null || !Number.isFinite(x)) return "not measured";
    if (unit === "share") return `${figures(x * 100)} %`;
    if (unit === "ms") return x >= 1e4 ? `${figures(x / 1e3)} s` : x > 0 && x < 1 ? `${figures(x * 1e3)} µs` : `${figures(x)} ms`;
    if (unit === "bytes") {
      const step = x > 0 ? clamp(Math.floor(Math.log2(x) / 10), 0, 4) : 0;
      return `${figures(x / 1024 ** step)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
    }
    return `${figures(x)} ${x === 1 && unit === "cores" ? "core" : unit}`.trim();
  }

  function moment(x, step) {
    const pad = (n) => String(n).padStart(2, "0");
    if (index.seconds < 120) return `${x.toFixed(clamp(Math.ceil(-Math.log10(step)), 0, 6))} s`;
    const h = Math.floor(x / 3600), m = Math.floor((x % 3600) / 60), s = x % 60;
    const digits = step < 1 ? clamp(Math.ceil(-Math.log10(step)), 0, 4) : 0;
    const seconds = s.toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    if (index.seconds < 7200) return `${m + 60 * h}m${step < 60 ? seconds : ""}`;
    return step < 60 ? `${h}h${pad(m)}m${seconds}` : `${h}h${step < 3600 ? pad(m) : ""}`;
  }

  function timeTicks() {
    const [from, to] = state.range;
    const wanted = (to - from) / clamp(plot.clientWidth / 110, 2, 9);
    const sizes = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200];
    let step = sizes.find((size) => size >= wanted) || 86400 * Math.ceil(wanted / 86400);
    if (wanted <= 1) {
      const power = 10 ** Math.floor(Math.log10(wanted));
      step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted * 0.999);
    }
    const values = [];
    for (let x = Math.ceil(from / step) * step; x <= to + step * 1e-6; x += step) values.push(x);
    return { values, text: values.map((x) => moment(x, step)) };
  }

  // Rows: a family of few is a lane each; of many, the worst as a lane and all of them as strips.

  function layRows() {
    rows = [];
    index.families.forEach((family, at) => {
      if (!state.shown.has(at)) return;
      const n = family.members.length;
      const strip = { family, at, kind: "strip", members: family.members, height: clamp(n * (n > 16 ? 4 : 9), 22, 256) };
      if (family.kind === "spans") return void rows.push(strip);
      const single = n <= MANY || state.unfolded.has(at);
      const lanes = single ? family.members : family.members.slice(0, 1);
      lanes.forEach((member, nth) => rows.push({ family, at, kind: "lane", member, nth, height: n > 1 ? 40 : 56 }));
      if (!single) rows.push(strip);
    });
    let y = index.marks.length ? MARKS : 0;
    for (const row of rows) {
      row.top = y + HEAD;
      y = row.top + row.height + 6;
    }
    height = y;
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
    const parts = [`median ${said(stats.median, unit)}`, `95 % below ${said(stats.p95, unit)}`, `highest ${said(stats.high, unit)}`];
    return parts.join(", ");
  }

  function data(family, member) {
    if (!opened.has(member)) opened.set(member, laneStore.open(member, index.seconds, buffer));
    return opened.get(member);
  }

  function topOf(row) {
    const known = row.read.high.filter(Number.isFinite);
    if (!known.length) return 1;
    const highest = Math.max(...known);
    const whole = { share: 1, "%": 100 }[row.family.unit];
    if (whole && highest <= whole && highest > whole / 10) return whole;
    const middle = row.read.mid.filter(Number.isFinite).sort((a, b) => a - b);
    const usual = 4 * middle[Math.floor(middle.length * 0.95)];
    return (usual > 0 ? Math.min(highest, usual) : highest) * 1.05 || 1;
  }

  // The largest round number that leaves room for the lane's title above it.
  function round(top) {
    const power = 10 ** Math.floor(Math.log10(top * 0.9));
    return [8, 6, 5, 4, 3, 2, 1].map((n) => n * power).find((x) => x <= top * 0.9) || power;
  }

  function laneTraces(row, axis) {
    const read = (row.read = laneStore.read(data(row.family, row.member), ...state.range));
    const x = [], y = [];
    let from = -1;
    for (let i = 0; i <= read.t.length; i++) {
      const known = i < read.t.length && Number.isFinite(read.mid[i]);
      if (known && from < 0) from = i;
      if (known || from < 0) continue;
      for (let j = from; j < i; j++) x.push(read.t[j]), y.push(read.high[j]);
      for (let j = i - 1; j >= from; j--) x.push(read.t[j]), y.push(read.low[j]);
      x.push(null), y.push(null);
      from = -1;
    }
    const shared = { yaxis: axis, hoverinfo: "skip", mode: "lines", type: "scatter" };
    const color = hue(row.family);
    const band = { ...shared, x, y, fill: "toself", fillcolor: translucent(color, 0.26), line: { width: 0 } };
    const sparse = read.exact && read.t.length <= 60;
    const line = { ...shared, mode: sparse ? "lines+markers" : "lines", marker: { color, size: 4 }, x: read.t, y: read.mid, connectgaps: false, line: { color, width: 1.3, shape: read.exact && row.family.unit === "ms" ? "vh" : "linear", simplify: true } };
    return read.exact ? [line] : [band, line];
  }

  function translucent(color, alpha) {
    const hex = color.replace("#", "");
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return `rgba(${part(0)}, ${part(2)}, ${part(4)}, ${alpha})`;
  }

  function stripTraces(row, axis) {
    const columns = clamp(Math.floor(plot.clientWidth - LEFT - RIGHT), 100, 700);
    const [from, to] = state.range, width = (to - from) / columns;
    const z = row.members.map((member) => (row.family.kind === "spans" ? atWork(row, member, columns) : valuesIn(row, member, columns, width)));
    row.z = z;
    const whole = row.family.kind === "spans" ? 1 : { share: 1, "%": 100 }[row.family.unit];
    const top = whole || Math.max(...row.members.map((member) => member.stats.p95)) || 1;
    const scale = [[0, ink("shade")], [1, hue(row.family)]];
    const shared = { type: "heatmap", yaxis: axis, showscale: false, hoverinfo: "skip", zmin: 0, zmax: top, colorscale: scale };
    return [{ ...shared, x0: from + width / 2, dx: width, z, ygap: row.height / row.members.length > 3.5 ? 1 : 0 }];
  }

  function atWork(row, member, columns) {
    const shares = laneStore.readSpans(member, row.family.labels, index.seconds, buffer, ...state.range, columns);
    (row.shares ||= new Map()).set(member, shares);
    return Array.from({ length: columns }, (_, c) => {
      const all = shares.reduce((sum, share) => sum + share[c], 0);
      const busy = shares.reduce((sum, share, label) => sum + (isIdle(row.family.labels[label]) ? 0 : share[c]), 0);
      return all > 0.01 ? Math.min(1, busy) : null;
    });
  }

  function valuesIn(row, member, columns, width) {
    const lane = data(row.family, member), usual = (lane.t.length > 1 ? lane.t[1] - lane.t[0] : 0) * 3;
    return Array.from({ length: columns }, (_, c) => {
      const x = state.range[0] + (c + 0.5) * width;
      const i = laneStore.lower(lane.t, x), near = i > 0 && (i >= lane.t.length || x - lane.t[i - 1] < lane.t[i] - x) ? i - 1 : i;
      if (near >= lane.t.length || Math.abs(lane.t[near] - x) > Math.max(usual, width)) return null;
      return Number.isFinite(lane.mid[near]) ? lane.mid[near] : null;
    });
  }

  function shapes() {
    const drawn = [], [from, to] = state.range;
    const across = { xref: "x", yref: "paper", y0: 0, layer: "below" };
    if (state.finding !== null) {
      const windows = index.findings[state.finding].windows;
      for (const [a, b] of windows) {
        if (b >= from && a <= to) drawn.push({ ...across, type: "rect", x0: a, x1: b, y1: 1, fillcolor: ink("mark"), line: { width: 0 } });
      }
    }
    for (const [a, b, , kind] of index.marks) {
      if (b < from || a > to) continue;
      const top = 1 - (MARKS - 6) / height;
      if (b > a) drawn.push({ ...across, type: "rect", y0: top, y1: top + 6 / height, x0: a, x1: b, fillcolor: ink(kind === "missing data" ? "between" : "evaluation"), line: { width: 0 } });
      drawn.push({ ...across, type: "line", x0: a, x1: a, y1: top, line: { color: ink("rule"), width: 1, dash: "dot" } });
    }
    return drawn;
  }

  // Epochs find a place first, then whatever has room beside them.
  function markLabels() {
    const [from, to] = state.range, shown = [], taken = [], wide = plot.clientWidth - LEFT - RIGHT;
    const visible = index.marks.filter(([a, b]) => b >= from && a <= to);
    visible.sort((a, b) => (b[3] === "epochs") - (a[3] === "epochs"));
    for (const [a, , label] of visible) {
      const x = Math.max(a, from), left = ((x - from) / (to - from)) * wide;
      const text = label.length > 18 ? `${label.slice(0, 17)}…` : label, right = left + text.length * 6.2 + 10;
      if (right > wide || taken.some(([p, q]) => left < q && right > p)) continue;
      taken.push([left, right]);
      shown.push({ x, y: 1, xref: "x", yref: "paper", text: escaped(text), showarrow: false, xanchor: "left", yanchor: "top", font: { size: 10.5, color: ink("soft") } });
    }
    return shown;
  }

  // plotly reads a few tags in text; names from a run must stay text.
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function axisOf(row) {
    const axis = { domain: [1 - (row.top + row.height) / height, 1 - row.top / height], fixedrange: true, zeroline: false, showgrid: false, tickfont: { size: 10 }, ticks: "" };
    if (row.kind === "lane") {
      const top = topOf(row), tick = round(top);
      return { ...axis, range: [0, top], tickvals: [0, tick], ticktext: ["0", said(tick, row.family.unit)], showgrid: true, gridcolor: ink("rule") };
    }
    const n = row.members.length, tall = row.height / n;
    const each = Math.ceil(11 / tall), named = row.members.map((_, i) => i).filter((i) => i % each === 0 && (n - i) * tall >= 10);
    return { ...axis, range: [n - 0.5, -0.5], tickvals: named, ticktext: named.map((i) => escaped(shortName(row.members[i].name || row.family.name))) };
  }

  function shortName(name) {
    const short = name.length > 9 ? name.replace(/\b(rank|worker) (?=\d)/g, (word) => word[0]).replace(", ", " ") : name;
    return short.length > 9 ? `…${short.slice(-8)}` : short;
  }


  function draw() {
    plot.style.height = `${height + BOTTOM}px`;
    const traces = [], layout = {
      height: height + BOTTOM, margin: { l: LEFT, r: RIGHT, t: 0, b: BOTTOM, pad: 0 }, showlegend: false, hovermode: false, autosize: true,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: getComputedStyle(document.body).fontFamily, color: ink("soft"), size: 11 },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", uirevision: "lanes",
    };
    rows.forEach((row, at) => {
      const nth = at ? at + 1 : "";
      traces.push(...(row.kind === "lane" ? laneTraces(row, `y${nth}`) : stripTraces(row, `y${nth}`)));
      layout[`yaxis${nth}`] = { ...axisOf(row), anchor: "x" };
    });
    const ticks = timeTicks();
    layout.xaxis = { range: state.range, anchor: `y${rows.length > 1 ? rows.length : ""}`, tickvals: ticks.values, ticktext: ticks.text, showgrid: true, gridcolor: ink("rule"), zeroline: false, showline: false };
    layout.shapes = shapes();
    layout.annotations = markLabels();
    drawHeads();
    return Plotly.react(plot, traces, layout, { displayModeBar: false, displaylogo: false, showSendToCloud: false, responsive: false, doubleClick: false, scrollZoom: false, showTips: false });
  }

  function drawHeads() {
    heads.replaceChildren(...rows.map((row) => {
      const lit = state.finding !== null && index.findings[state.finding].families.includes(row.family.name);
      const head = make("div", `lane-head${state.finding === null ? "" : lit ? " lit" : " dim"}`);
      head.style.top = `${row.top - HEAD + 1}px`;
      row.now = make("span", "", about(row));
      head.append(make("b", "", title(row)), row.now);
      return head;
    }));
  }

  // Zoom and cursor.

  function zoom(from, to) {
    const width = clamp(to - from, LEAST, index.seconds);
    const start = clamp(from, 0, index.seconds - width);
    state.range = [start, start + width];
    point(null);
    return draw();
  }

  function around(center, factor) {
    const [from, to] = state.range;
    return zoom(center - (center - from) * factor, center + (to - center) * factor);
  }

  function point(x, memberAt) {
    state.cursor = x;
    cursor.style.display = x === null ? "none" : "block";
    for (const row of rows) {
      if (!row.now) continue;
      row.now.className = x === null ? "" : "now";
      row.now.textContent = x === null ? about(row) : valueAt(row, x, memberAt);
    }
    if (x === null) return;
    const [from, to] = state.range, wide = plot.clientWidth - LEFT - RIGHT;
    cursor.style.left = `${LEFT + ((x - from) / (to - from)) * wide}px`;
    clock.textContent = moment(x, (to - from) / 500);
  }

  function valueAt(row, x, memberAt) {
    const unit = row.family.unit, [from, to] = state.range;
    if (row.kind === "lane") {
      const i = clamp(laneStore.lower(row.read.t, x), 0, row.read.t.length - 1);
      const near = i > 0 && x - row.read.t[i - 1] < row.read.t[i] - x ? i - 1 : i;
      const middle = said(row.read.mid[near], unit);
      return row.read.exact || !Number.isFinite(row.read.mid[near]) ? middle : `${middle} (${said(row.read.low[near], unit)} to ${said(row.read.high[near], unit)})`;
    }
    if (!memberAt || memberAt.row !== row) return "";
    const member = row.members[memberAt.at], c = clamp(Math.floor(((x - from) / (to - from)) * row.z[0].length), 0, row.z[0].length - 1);
    if (row.family.kind !== "spans") return `${member.name}: ${said(row.z[memberAt.at][c], unit)}`;
    const shares = row.shares.get(member).map((share, label) => [share[c], row.family.labels[label]]).filter(([share]) => share >= 0.005);
    const parts = shares.sort((a, b) => b[0] - a[0]).map(([share, label]) => `${label} ${figures(share * 100)} %`);
    return `${member.name}: ${parts.join(", ") || "not running"}`;
  }

  function listen() {
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect(), wide = plot.clientWidth - LEFT - RIGHT;
      const share = (event.clientX - box.left - LEFT) / wide;
      if (share < 0 || share > 1) return point(null);
      const y = event.clientY - box.top;
      const row = rows.find((one) => one.kind === "strip" && y >= one.top && y < one.top + one.height);
      const at = row && Math.min(row.members.length - 1, Math.floor(((y - row.top) / row.height) * row.members.length));
      point(state.range[0] + share * (state.range[1] - state.range[0]), row && { row, at });
    });
    plot.addEventListener("pointerleave", () => point(null));
    plot.addEventListener("dblclick", () => zoom(0, index.seconds));
    plot.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      around(state.cursor ?? (state.range[0] + state.range[1]) / 2, event.deltaY > 0 ? 1.25 : 0.8);
    }, { passive: false });
    plot.addEventListener("keydown", key);
    plot.on("plotly_relayout", (change) => {
      const range = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (Number.isFinite(range[0])) zoom(range[0], range[1]);
      else if (change["xaxis.autorange"]) zoom(0, index.seconds);
    });
    let width = plot.clientWidth;
    new ResizeObserver(() => {
      if (plot.clientWidth === width || !plot.clientWidth) return;
      width = plot.clientWidth;
      draw();
    }).observe(plot);
    document.addEventListener("themechange", draw);
  }

  function key(event) {
    const [from, to] = state.range, width = to - from, middle = state.cursor ?? (from + to) / 2;
    const acts = {
      ArrowRight: () => point(clamp(middle + width / 100, from, to)),
      ArrowLeft: () => point(clamp(middle - width / 100, from, to)),
      PageDown: () => zoom(from + width / 2, to + width / 2),
      PageUp: () => zoom(from - width / 2, to - width / 2),
      "+": () => around(middle, 0.5), "=": () => around(middle, 0.5), "-": () => around(middle, 2),
      0: () => zoom(0, index.seconds), Escape: () => (point(null), mark(null)),
    };
    if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }

  // Controls: which lanes, unfolding, zoom, and the findings' evidence.

  function button(text, label, act) {
    const made = Object.assign(make("button", "", text), { type: "button" });
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  function controls() {
    const bar = document.getElementById("controls");
    index.families.forEach((family, at) => {
      const chip = button(family.title, `Lane ${family.title}`, () => {
        if (!state.shown.delete(at)) state.shown.add(at);
        chip.setAttribute("aria-pressed", state.shown.has(at));
        layRows();
        draw();
      });
      chip.classList.add("chip");
      chip.setAttribute("aria-pressed", state.shown.has(at));
      family.chip = chip;
      bar.append(chip);
    });
    const zooms = make("span", "zooms");
    bar.append(make("span", "space"), zooms);
    if (index.families.some((family) => family.kind === "line" && family.members.length > MANY)) {
      const fold = button("Unfold all", "Show every GPU and rank as a lane of its own", () => {
        const folded = !state.unfolded.size;
        state.unfolded = new Set(folded ? index.families.map((_, at) => at) : []);
        fold.textContent = folded ? "Fold" : "Unfold all";
        layRows();
        draw();
      });
      zooms.append(fold);
    }
    const middle = () => (state.range[0] + state.range[1]) / 2;
    zooms.append(button("+", "Zoom in", () => around(middle(), 0.5)), button("−", "Zoom out", () => around(middle(), 2)), button("All", "Show the whole run", () => zoom(0, index.seconds)));
    bar.hidden = false;
  }

  function mark(at) {
    state.finding = at;
    for (const show of document.querySelectorAll(".show")) {
      const pressed = at !== null && Number(show.dataset.finding) === at + 1;
      show.setAttribute("aria-pressed", pressed);
      show.textContent = pressed ? "Shown on the timeline" : "Show on the timeline";
    }
    if (at !== null) {
      index.families.forEach((family, nth) => {
        if (!index.findings[at].families.includes(family.name)) return;
        state.shown.add(nth);
        family.chip.setAttribute("aria-pressed", "true");
      });
    }
    layRows();
    return draw();
  }

  function findings() {
    for (const show of document.querySelectorAll(".show")) {
      const at = Number(show.dataset.finding) - 1;
      show.hidden = false;
      show.addEventListener("click", async () => {
        const again = state.finding === at;
        await mark(again ? null : at);
        if (!again) document.getElementById("timeline").scrollIntoView();
      });
    }
  }

  async function start() {
    const [packed, script] = await Promise.all([laneStore.inflate("lane-data"), laneStore.inflate("plotly-data")]);
    buffer = packed;
    const plotly = document.createElement("script");
    plotly.textContent = new TextDecoder().decode(script);
    document.head.append(plotly);
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-label", "Timeline. Left and right move the cursor, plus and minus zoom, zero shows all.");
    cursor.append(clock);
    host.append(plot);
    layRows();
    controls();
    await draw();
    plot.append(heads, cursor);
    listen();
    findings();
    root.classList.add("ready");
    root.dataset.readyMs = Math.round(performance.now());
  }

  start().catch((error) => {
    plot.remove();
    console.error(error);
  });
})();
