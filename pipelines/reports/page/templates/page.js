"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const first = [...body.rows];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    if (!("value" in cell.dataset)) return cell.textContent.trim();
    const words = { inf: Infinity, "-inf": -Infinity, nan: NaN };
    return cell.dataset.value in words ? words[cell.dataset.value] : Number(cell.dataset.value);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  heads.forEach((head, column) => {
    if (head.classList.contains("unsorted")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const next = { ascending: "descending", descending: null }[before] ?? (before ? null : "ascending");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const rows = [...first];
      if (next) {
        head.setAttribute("aria-sort", next);
        const sign = next === "ascending" ? 1 : -1;
        rows.sort((a, b) => {
          const [left, right] = [key(a, column), key(b, column)];
          const lost = [left, right].map((own) => Number.isNaN(own));
          return lost[0] || lost[1] ? lost[0] - lost[1] : sign * compare(left, right);
        });
      }
      body.append(...rows);
    });
  });
}
