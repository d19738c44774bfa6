"use strict";
document.documentElement.classList.add("js");
const key = (row, column) => {
  const cell = row.cells[column];
  const given = cell.dataset.v;
  if (given === undefined) return cell.textContent.trim();
  return given === "" ? null : Number(given);
};
const compare = (a, b) => typeof a === "string"
  ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = head.classList.contains("n");
      const now = head.getAttribute("aria-sort");
      const down = now === null ? numbers : now === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
for (const field of document.querySelectorAll("input[data-table]")) {
  const table = document.getElementById(field.dataset.table);
  const told = field.closest(".controls").querySelector("output");
  const items = table.tBodies ? table.tBodies[0].rows : table.children;
  const unit = table.tBodies ? "rows" : "pictures";
  const rows = [...items].map((row) => [row, row.textContent.toLowerCase()]);
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    told.textContent = `${words.length ? `${shown} of ` : ""}${rows.length} ${unit}`;
  };
  field.addEventListener("input", apply);
  apply();
}
for (const choice of document.querySelectorAll("select[data-gallery]")) {
  const gallery = document.getElementById(choice.dataset.gallery);
  choice.addEventListener("change", () => {
    const [name, way] = choice.value.split(" ");
    const value = ({ dataset }) => name === "sure" || name === "novelty" ? Number(dataset[name]) : dataset[name];
    const items = [...gallery.children].map((item) => [value(item), item]);
    items.sort(([a], [b]) => way === "down" ? compare(b, a) : compare(a, b));
    gallery.append(...items.map(([, item]) => item));
  });
}
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll("button.pair")) {
  button.addEventListener("click", () => {
    const large = dialog.querySelector(".large");
    large.replaceChildren(...[...button.querySelectorAll("img")].map((image) => image.cloneNode()));
    const caption = button.closest("figure").querySelector("figcaption");
    dialog.querySelector("p").textContent = caption ? caption.innerText.split(/\s*\n+\s*/).filter(Boolean).join(" · ") : "";
    dialog.showModal();
  });
}
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("button, .large")) dialog.close();
});
addEventListener("beforeprint", () => {
  for (const closed of document.querySelectorAll("details")) closed.open = true;
});
