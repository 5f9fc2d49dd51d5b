// Builds the form from the model that the page holds, sends the row and shows what the service answers.

import { picture, words } from "./answer.js";
import { complain, entry, field, isUnseen, onEdit, problem, refresh } from "./fields.js";
import { figure, make } from "./text.js";

const MANY_COLUMNS = 20;
const PATIENCE_MS = 60_000;

const byId = (id) => document.getElementById(id);
const model = JSON.parse(byId("model").textContent);
const fields = model.columns.map(field);
const key = { control: byId("key"), error: byId("key-error") };
let isAsking = false;

// --- The model on the page -------------------------------------------------------------------------------------

function introduce() {
  document.title = `Predict ${model.target} · ${model.registered_model}`;
  byId("name").textContent = model.registered_model;
  byId("about").append("predicts ", make("strong", { textContent: model.target }), ` (${model.task})`);
  const hash = model.git_commit ?? "none";
  const dirty = model.git_dirty === "true" && hash !== "none" ? " with uncommitted changes" : "";
  const commit = make("code", { textContent: hash.slice(0, 12), title: hash });
  byId("facts").append(
    make("dt", { textContent: model.challenger ? "Champion" : "Version" }),
    make("dd", { textContent: model.challenger ? `version ${model.version}` : model.version }),
    ...challenger(),
    make("dt", { textContent: "Commit" }),
    make("dd", {}, commit, dirty),
  );
  byId("metrics").tBodies[0].append(...Object.entries(model.metrics).map(measured));
}

function challenger() {
  if (!model.challenger) return [];
  const does = model.challenger.mode === "shadow" ? "in shadow" : "predicts a share of the requests";
  const textContent = `version ${model.challenger.version}, ${does}`;
  return [make("dt", { textContent: "Challenger" }), make("dd", { textContent })];
}

function measured([name, { value, lower = null, upper = null }]) {
  const shown = (number) => (number === null ? "none" : figure(number));
  return make(
    "tr",
    {},
    make("th", { scope: "row", textContent: name.replaceAll("_", " ") }),
    make("td", { textContent: shown(value) }),
    make("td", { textContent: lower === null ? "" : `${shown(lower)} to ${shown(upper)}` }),
  );
}

// --- The row --------------------------------------------------------------------------------------------------

function find(text) {
  const wanted = text.toLowerCase();
  let count = 0;
  for (const { element, column } of fields) {
    element.hidden = !column.name.toLowerCase().includes(wanted);
    count += !element.hidden;
  }
  byId("found").textContent = text && `${count} of ${fields.length} columns`;
}

// Say what is wrong with which fields, each [field, sentence], and go to the first of them on the page.
function pointOut(problems) {
  for (const [its, sentence] of problems) complain(its, sentence);
  byId("filter").value = "";
  find("");
  const wrong = [key, ...fields].filter((its) => its.error.textContent);
  entry(wrong[0]).focus();
  const many = wrong.length === 1 ? "One field needs" : `${wrong.length} fields need`;
  fail(`${many} another value.`);
}

function reset() {
  const kept = key.control.value;
  byId("form").reset();
  key.control.value = kept;
  fields.forEach(refresh);
  answer(model.example_answer);
}

// --- The answer -----------------------------------------------------------------------------------------------

function show(message, drawn, isError = false) {
  byId("said").replaceChildren(...message);
  byId("picture").replaceChildren(...drawn);
  byId("answer").classList.toggle("failed", isError);
  byId("answer").classList.remove("old");
  byId("stale").hidden = true;
}

function fail(sentence, ...notes) {
  const hints = notes.filter(Boolean).map((textContent) => make("p", { className: "hint", textContent }));
  show([make("p", { textContent: sentence }), ...hints], [], true);
}

function markStale() {
  const isOld = byId("picture").childElementCount > 0;
  byId("answer").classList.toggle("old", isOld);
  byId("stale").hidden = !isOld;
}

function answer(prediction) {
  const unseen = fields.filter(isUnseen).map(({ column }) => column.name);
  const note = `Training saw no such values of: ${unseen.join(", ")}`;
  const warning = unseen.length ? [make("p", { className: "hint new", textContent: note })] : [];
  show([...words(model, prediction), ...warning], picture(model, prediction));
}

// --- The request ----------------------------------------------------------------------------------------------

async function submit(event) {
  event.preventDefault();
  if (isAsking) return;
  for (const its of [key, ...fields]) complain(its, "");
  const problems = [[key, problemOfKey()], ...fields.map((its) => [its, problem(its)])];
  const found = problems.filter(([, sentence]) => sentence);
  if (found.length) pointOut(found);
  else await ask();
}

function problemOfKey() {
  if (byId("key-field").hidden) return "";
  if (!key.control.value) return "Enter the key.";
  return /^[ -~]*$/.test(key.control.value) ? "" : "A key has only letters, digits and signs of ASCII.";
}

async function ask() {
  setAsking(true);
  const row = Object.fromEntries(fields.map((its) => [its.column.name, its.value()]));
  const response = await post(row).catch(() => null);
  const body = await response?.json().catch(() => null);
  setAsking(false);
  if (!response) fail("The service could not be reached, or gave no answer within a minute.");
  else if (response.ok && body) {
    answer(body.predictions[0]);
    byId("answer").scrollIntoView({ block: "nearest" });
  } else refuse(response, body?.detail);
}

function setAsking(value) {
  isAsking = value;
  byId("answer").ariaBusy = String(value);
}

function post(row) {
  const headers = { "Content-Type": "application/json" };
  if (key.control.value) headers["X-API-Key"] = key.control.value;
  const body = JSON.stringify({ rows: [row] });
  return fetch("predict", { method: "POST", headers, body, signal: AbortSignal.timeout(PATIENCE_MS) });
}

function refuse({ status, headers }, detail) {
  const [requestId, wait] = [headers.get("X-Request-ID"), headers.get("Retry-After")];
  if (status === 401) {
    byId("key-field").hidden = false;
    return pointOut([[key, detail ?? "The service does not take this key."]]);
  }
  const named = Array.isArray(detail) ? detail : [];
  const atFields = named.map(({ loc, msg }) => [fields.find((its) => its.column.name === loc[3]), msg]);
  if (named.length && atFields.every(([its]) => its)) return pointOut(atFields);
  // The body, its rows and the number of the only row in loc are left out.
  const problems = named.map(({ loc, msg }) => [...loc.slice(3), msg].join(": ")).join("; ");
  fail(
    problems || (detail ?? `The service answered with status ${status}.`),
    wait && `Try again in ${wait} s.`,
    requestId && `Request ${requestId}`,
  );
}

introduce();
byId("fields").append(...fields.map(({ element }) => element));
byId("find").hidden = fields.length <= MANY_COLUMNS;
byId("key-field").hidden = !model.needs_key;
byId("filter").addEventListener("input", ({ target }) => find(target.value));
onEdit(byId("form"), markStale);
byId("form").addEventListener("submit", submit);
onEdit(byId("key-field"), () => complain(key, ""));
addEventListener("pagehide", () => (key.control.value = "")); // Back would bring it back
byId("undo").addEventListener("click", reset);
// The row that is filled in was predicted when the model was exported: no request is needed to show it.
answer(model.example_answer);
