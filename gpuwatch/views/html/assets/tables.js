"use strict";
// Tables that are sorted by a click on a column's name, and searched all together.
(() => {
  const words = new Intl.Collator(undefined, { numeric: true });
  const tables = [...document.querySelectorAll("table.sortable")];

  function valueOf(row, column) {
    const cell = row.cells[column], value = cell.dataset.value;
    return value === undefined ? cell.textContent : Number(value);
  }

  // What is not known comes last, in either order.
  function compare(a, b, sign) {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : words.compare(a, b));
  }

  function sort(table, head) {
    const column = Number(head.dataset.sort), body = table.tBodies[0];
    const first = head.classList.contains("n") ? "descending" : "ascending";
    const other = first === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.querySelectorAll("th[aria-sort]")) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    body.append(...rows.map((pair) => pair[1]));
  }

  for (const table of tables) {
    for (const head of table.querySelectorAll("th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(table, head));
      head.replaceChildren(button);
    }
  }

  const field = document.getElementById("search"), found = document.getElementById("found");
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]));

  function search() {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      const fits = wanted.every((word) => text.includes(word));
      row.classList.toggle("hidden", !fits);
      shown += fits;
    }
    for (const table of tables) {
      const left = [...table.tBodies[0].rows].some((row) => !row.classList.contains("hidden"));
      table.closest("section").classList.toggle("hidden", !left);
    }
    found.textContent = wanted.length ? `${shown} of ${rows.length} rows` : "";
  }

  document.getElementById("searching").hidden = false;
  field.addEventListener("input", search);
})();
