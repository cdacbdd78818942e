"use strict";
// How numbers, units and moments of a run of `seconds` are said.
const figures = (seconds) => {
  const clamp = (x, low, high) => Math.max(low, Math.min(high, x));

  function short(x) {
    if (x === 0) return "0";
    const decimals = clamp(2 - Math.floor(Math.log10(Math.abs(x))), 0, 6);
    return x.toFixed(decimals).replace(/\.?0+$/, (end) => (end.startsWith(".") ? "" : decimals ? "" : end));
  }

  function said(x, unit) {
    if (x === null || !Number.isFinite(x)) return "not measured";
    if (unit === "share") return `${short(x * 100)} %`;
    if (unit === "ms") return x >= 1e4 ? `${short(x / 1e3)} s` : x > 0 && x < 1 ? `${short(x * 1e3)} µs` : `${short(x)} ms`;
    if (unit === "bytes") {
      const step = x > 0 ? clamp(Math.floor(Math.log2(x) / 10), 0, 4) : 0;
      return `${short(x / 1024 ** step)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
    }
    return `${short(x)} ${x === 1 && unit === "cores" ? "core" : unit}`.trim();
  }

  function moment(x, step) {
    const pad = (n) => String(n).padStart(2, "0");
    if (seconds < 120) return `${x.toFixed(clamp(Math.ceil(-Math.log10(step)), 0, 6))} s`;
    const h = Math.floor(x / 3600), m = Math.floor((x % 3600) / 60), s = x % 60;
    const digits = step < 1 ? clamp(Math.ceil(-Math.log10(step)), 0, 4) : 0;
    const shown = s.toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    if (seconds < 7200) return `${m + 60 * h}m${step < 60 ? shown : ""}`;
    return step < 60 ? `${h}h${pad(m)}m${shown}` : `${h}h${step < 3600 ? pad(m) : ""}`;
  }

  // At most `most` round moments between two, as [moment, text].
  function moments(from, to, most) {
    const wanted = (to - from) / most;
    const sizes = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200];
    let step = sizes.find((size) => size >= wanted) || 86400 * Math.ceil(wanted / 86400);
    if (wanted <= 1) {
      const power = 10 ** Math.floor(Math.log10(wanted));
      step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted * 0.999);
    }
    const found = [];
    for (let x = Math.ceil(from / step) * step; x <= to + step * 1e-6; x += step) found.push([x, moment(x, step)]);
    return found;
  }

  // The largest round number that leaves room for a lane's title above it.
  function round(top) {
    const power = 10 ** Math.floor(Math.log10(top * 0.9));
    return [8, 6, 5, 4, 3, 2, 1].map((n) => n * power).find((x) => x <= top * 0.9) || power;
  }

  function shortName(name) {
    const fits = name.length > 9 ? name.replace(/\b(rank|worker) (?=\d)/g, (word) => word[0]).replace(", ", " ") : name;
    return fits.length > 9 ? `…${fits.slice(-8)}` : fits;
  }

  return { clamp, short, said, moment, moments, round, shortName };
};
