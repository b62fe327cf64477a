// Elements that are changed only where their content has changed.

export function find(selector) {
  return document.querySelector(selector);
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// A table whose rows have keys. A column has a title, and functions of a row: text, and maybe order, tone (a class),
// draw (fills a cell instead of text), press (makes the text a button, which says label to screen readers), link (its
// result is where the text links to).
// The first column is the header of the row; choose makes it a button.
export class Table {
  constructor(element, columns, {empty, choose = null, key = row => row.key, sort = null, label = ""}) {
    this.columns = columns;
    this.choose = choose;
    this.key = key;
    this.rows = new Map();
    this.sort = sort;
    this.body = make("tbody");
    this.heads = columns.map((column, index) => this.#head(column, index));
    this.empty = make("td", {class: "text muted", colspan: String(columns.length)}, empty);
    this.emptyRow = make("tr", {}, this.empty);
    if (label) element.setAttribute("aria-label", label);
    element.append(make("thead", {}, make("tr", {}, ...this.heads)), this.body);
    this.body.append(this.emptyRow);
    this.latest = [];
    this.#mark();
  }

  show(rows, chosen = null) {
    this.latest = rows;
    this.chosen = chosen;
    const sorted = this.#sorted(rows);
    const seen = new Set();
    let before = null;
    for (const row of sorted) {
      const key = this.key(row);
      seen.add(key);
      const found = this.rows.get(key) ?? this.#add(key, row);
      this.#fill(found, row);
      setClass(found.element, key === chosen ? "chosen" : "");
      if (found.button) setAttribute(found.button, "aria-pressed", String(key === chosen));
      const place = before === null ? this.body.firstChild : before.nextSibling;
      if (place !== found.element) this.body.insertBefore(found.element, place);
      before = found.element;
    }
    for (const [key, found] of this.rows) {
      if (!seen.has(key)) {
        found.element.remove();
        this.rows.delete(key);
      }
    }
    if (this.emptyRow.isConnected !== (rows.length === 0)) {
      if (rows.length) this.emptyRow.remove();
      else this.body.append(this.emptyRow);
    }
  }

  #head(column, index) {
    const head = make("th", {scope: "col", class: classes(column)});
    if (!column.order) {
      head.append(column.title);
      return head;
    }
    const button = make("button", {type: "button"}, column.title);
    button.addEventListener("click", () => {
      const falling = this.sort?.index === index ? !this.sort.falling : !column.text_;
      this.sort = {index, falling};
      this.#mark();
      this.show(this.latest, this.chosen);
    });
    head.append(button);
    return head;
  }

  #mark() {
    this.heads.forEach((head, index) => {
      if (!this.columns[index].order) return;
      const sorted = this.sort?.index === index;
      head.setAttribute("aria-sort", sorted ? (this.sort.falling ? "descending" : "ascending") : "none");
    });
  }

  #sorted(rows) {
    if (!this.sort) return rows;
    const {index, falling} = this.sort;
    const order = this.columns[index].order;
    const sign = falling ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [first, second] = [order(a) ?? -1, order(b) ?? -1];
      return first < second ? -sign : first > second ? sign : 0;
    });
  }

  #add(key, row) {
    const found = {element: make("tr"), button: null};
    found.cells = this.columns.map((column, index) => {
      const cell = make(index ? "td" : "th", index ? {class: classes(column)} : {scope: "row", class: classes(column)});
      found.element.append(cell);
      if (column.link) {
        const anchor = make("a", {target: "_blank", rel: "noopener noreferrer"});
        cell.append(anchor);
        return anchor;
      }
      const press = column.press ?? (index === 0 && this.choose ? row => this.choose(key, row) : null);
      if (!press) return cell;
      const button = make("button", {type: "button"});
      button.addEventListener("click", () => press(found.row));
      cell.append(button);
      if (index === 0) found.button = button;
      return button;
    });
    this.rows.set(key, found);
    return found;
  }

  #fill(found, row) {
    found.row = row;
    this.columns.forEach((column, index) => {
      const cell = found.cells[index];
      if (column.draw) column.draw(cell, row);
      else setText(cell, String(column.text(row)));
      if (column.label) setAttribute(cell, "aria-label", column.label(row));
      if (column.link) setAttribute(cell, "href", column.link(row));
      if (column.press || column.link) cell.hidden = column.text(row) === "";
      if (column.tone) setClass(cell, `${classes(column)} ${column.tone(row)}`.trim());
    });
  }
}

function classes(column) {
  return [column.text_ ? "text" : "", column.wide ? "wide" : "", column.wrap ? "wrap" : "", column.trace ? "trace" : ""].filter(Boolean).join(" ");
}
