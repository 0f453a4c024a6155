// Predict, then look: what an experiment measured waits until the reader has guessed, or taps.
// Long names in tables break between their words, and a table wider than its place becomes cards.
// And a repair of the theme: a button that shows words is called by them.
"use strict";

const MEASURED = /measured: (-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)/g;

function measuredIn(output) {
  return [...output.textContent.matchAll(MEASURED)].map((found) => Number(found[1]));
}

function distance(guess, measured) {
  if (measured === 0) return `You predicted ${guess}; it is 0.`;
  const off = Math.round((100 * (guess - measured)) / Math.abs(measured));
  const words = off === 0 ? "exactly right" : `${Math.abs(off)} % too ${off > 0 ? "high" : "low"}`;
  return `You predicted ${guess}; it is ${measured}: ${words}.`;
}

function breakBetweenWords(code) {
  const parts = code.textContent.split(/(?<=\w[._])(?=\w)/);
  code.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]).slice(0, -1));
}

function wait(output) {
  const values = measuredIn(output);
  const form = document.createElement("form");
  form.className = "prediction";
  const fields = values.map((_, i) => {
    const label = form.appendChild(document.createElement("label"));
    label.textContent = values.length > 1 ? `Prediction ${i + 1} ` : "Your prediction ";
    const field = label.appendChild(document.createElement("input"));
    field.type = "number";
    field.step = "any";
    return field;
  });
  const button = form.appendChild(document.createElement("button"));
  button.textContent = values.length ? "Tap, then see how far off" : "Think first, then tap to see";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    said.textContent = fields
      .map((field, i) => (field.value === "" ? "" : distance(Number(field.value), values[i])))
      .join(" ");
    output.classList.remove("waits");
    form.replaceWith(said);
  });
  output.classList.add("waits");
  output.before(form);
}

// A card is a row, each of its cells with the name of the column; roles keep it a table to who
// does not see it.
function nameCells(table) {
  const names = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
  const roles = { table: [table], rowgroup: [table.tHead, ...table.tBodies], row: table.rows };
  roles.columnheader = table.tHead.rows[0].cells;
  roles.cell = table.querySelectorAll("td");
  for (const role in roles) [...roles[role]].forEach((part) => part.setAttribute("role", role));
  roles.cell.forEach((cell) => (cell.dataset.name = names[cell.cellIndex]));
}

function fit(table) {
  const place = table.parentElement;
  table.classList.remove("cards");
  table.classList.toggle("cards", place.scrollWidth > place.clientWidth);
}

// A formula that is pushed sideways to be read, in a sentence its paragraph, can be so from the
// keyboard too.
window.addEventListener("load", () => {
  const formulas = [...document.querySelectorAll(".formula, :is(p, li):has(> math)")];
  const wide = formulas.filter((one) => one.scrollWidth > one.clientWidth);
  wide.forEach((one) => Object.assign(one, { tabIndex: 0 }).classList.add("pushed"));
  const tables = [...document.querySelectorAll(".pst-scrollable-table-container > table")];
  tables.forEach(nameCells);
  const fitAll = () => tables.forEach(fit);
  fitAll();
  window.addEventListener("resize", fitAll);
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".tag_measured .cell_output").forEach(wait);
  document.querySelectorAll("td code .pre").forEach(breakBetweenWords);
  document.querySelectorAll(".search-button-field").forEach((b) => b.removeAttribute("aria-label"));
});
