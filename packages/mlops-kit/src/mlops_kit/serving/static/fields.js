// A field for each column: label, control, hint and error. Names and values are data and can hold anything: they
// reach the page as text and properties, never as markup, and elements are numbered.

import { make, short } from "./text.js";

const MOST_CHOICES = 50; // with more categories than this a text field is quicker than a list
const MOST_SUGGESTIONS = 1000;

// --- A control for each kind of column ------------------------------------------------------------------------
// Each maker returns the control, its value() (null: empty), what training has seen of the column, whether a value
// isNew to that, and what to ask for when the value is no good.

function numeric({ minimum, maximum, example }) {
  const control = make("input", { type: "number", step: "any", defaultValue: example ?? "" });
  const known = minimum !== null;
  if (known && minimum >= 0) control.inputMode = "decimal"; // this keypad has no minus sign on some phones
  return {
    control,
    value: () => (control.value === "" ? null : control.valueAsNumber),
    seen: known ? `${short(minimum)} to ${short(maximum)}` : "",
    isNew: (value) => known && (value < minimum || value > maximum),
    wanted: "Enter a number.",
  };
}

function boolean({ missing, example }) {
  const mayBeEmpty = missing || example === null;
  const control = select(mayBeEmpty ? [true, false, null] : [true, false], example);
  return { control, value: control.chosen, isNew: () => false, wanted: "Choose a value." };
}

function categorical({ missing, missing_values, categories, example }) {
  const known = new Set([...categories, ...missing_values]);
  const isFew = categories.length <= MOST_CHOICES;
  return {
    ...(isFew ? choice(missing, categories, example) : suggestion(categories, example)),
    isNew: (value) => !known.has(value),
    wanted: "Enter a value.",
  };
}

function choice(missing, categories, example) {
  const another = Symbol("another value");
  const offered = [...categories, ...(missing ? [null] : [])];
  const isOffered = offered.includes(example); // the example is a row that training did not see
  const control = select([...offered, another], isOffered ? example : another);
  const text = make("input", { type: "text", defaultValue: isOffered ? "" : (example ?? "") });
  const isAnother = () => control.chosen() === another;
  return {
    control,
    extra: text,
    value: () => (isAnother() ? text.value || null : control.chosen()),
    refresh: () => (text.hidden = !isAnother()),
  };
}

function suggestion(categories, example) {
  const control = make("input", { type: "text", defaultValue: example ?? "" });
  const options = categories.slice(0, MOST_SUGGESTIONS).map((value) => make("option", { value }));
  return {
    control,
    extra: make("datalist", {}, ...options),
    value: () => control.value || null,
    seen: `${categories.length} values`,
  };
}

function select(values, example) {
  const option = (value) =>
    make("option", { textContent: label(value), defaultSelected: value === example });
  const control = make("select", {}, ...values.map(option));
  control.chosen = () => values[control.selectedIndex];
  return control;
}

function label(value) {
  if (typeof value === "symbol") return `${value.description} …`;
  return value === "" ? "(empty text)" : (value ?? "(missing)");
}

function date({ minimum, maximum, format, example }) {
  const known = minimum !== null;
  const areDays = [example, minimum, maximum].every((time) => /^(.{10}(T00:00:00)?)?$/.test(time ?? ""));
  const plain = (time) => (areDays ? time.slice(0, 10) : time.replace("T", " "));
  const control = make("input", { step: "any" });
  control.type = format ? "text" : areDays ? "date" : "datetime-local";
  control.defaultValue = areDays && !format ? plain(example ?? "") : (example ?? "");
  if (example !== null && control.value === "") {
    // It has an offset or microseconds, which the browser's control cannot hold.
    control.type = "text";
    control.defaultValue = example;
  }
  // Controls leave out what is zero; with all their parts times are what the service takes, and compare as texts.
  const full = (time) => (format ? time : time + "0000-01-01T00:00:00".slice(time.length));
  return {
    control,
    value: () => (control.value ? full(control.value) : null),
    seen: [known && `${plain(minimum)} to ${plain(maximum)}`, format].filter(Boolean).join(", as "),
    isNew: (time) => known && !format && (time < minimum || time > maximum),
    wanted: "Enter a date.",
  };
}

// --- A field: label, control, hint and error ------------------------------------------------------------------

const KINDS = { numeric, boolean, categorical, date };

// Not every tool that fills in forms sends both.
export function onEdit(element, react) {
  for (const event of ["input", "change"]) element.addEventListener(event, react);
}

export function field(column, index) {
  const parts = KINDS[column.kind](column);
  const { control, extra } = parts;
  const [hint, error] = [`hint-${index}`, `error-${index}`];
  control.id = `field-${index}`;
  control.required = !column.missing;
  control.setAttribute("aria-describedby", `${hint} ${error}`);
  const built = {
    ...parts,
    column,
    hint: make("p", { id: hint, className: "hint" }),
    error: make("p", { id: error, className: "error" }),
  };
  const label = make("label", { htmlFor: control.id, textContent: column.name });
  built.element = make("div", { className: "field" }, label, control, built.hint, built.error);
  if (extra) attach(extra, built, index);
  onEdit(built.element, () => refresh(built));
  refresh(built);
  return built;
}

function attach(extra, { control, column }, index) {
  control.after(extra);
  extra.id = `extra-${index}`;
  if (extra.tagName === "DATALIST") return control.setAttribute("list", extra.id);
  extra.setAttribute("aria-label", `${column.name}: another value`);
  extra.setAttribute("aria-describedby", control.getAttribute("aria-describedby"));
}

export function refresh(field) {
  field.refresh?.();
  complain(field, "");
  const { seen, column } = field;
  const isNew = isUnseen(field);
  field.hint.classList.toggle("new", isNew);
  const news = isNew ? `not seen in training${seen ? ` (${seen})` : ""}` : seen;
  field.hint.textContent = [news, column.missing && "may be empty"].filter(Boolean).join(" · ");
}

export function isUnseen(field) {
  const value = field.value();
  return value !== null && field.isNew(value);
}

// The control that takes the value: the text beside a list, where that is in use.
export const entry = ({ control, extra }) => (extra?.tagName === "INPUT" && !extra.hidden ? extra : control);

export function complain(field, sentence) {
  field.error.textContent = sentence;
  for (const control of [field.control, field.extra]) control?.removeAttribute("aria-invalid");
  if (sentence) entry(field).setAttribute("aria-invalid", "true");
}

export function problem({ control, value, column, wanted }) {
  if (control.validity.badInput) return wanted;
  return value() === null && !column.missing ? wanted : "";
}
