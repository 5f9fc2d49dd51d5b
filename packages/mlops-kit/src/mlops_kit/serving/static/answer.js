// The prediction, as words for `#said` (which a screen reader speaks) and as a picture.

import { figure, make, percent, short } from "./text.js";

const MOST_BARS = 10;
const FEWEST_EXAMPLES = 3;
const WIDTH = 400;
const EDGE = 12;

const hint = (textContent) => make("p", { className: "hint", textContent });

export function words(model, { prediction, probabilities }) {
  const text = typeof prediction === "number" ? short(prediction) : String(prediction);
  const data = make("data", { value: String(prediction), textContent: text || "(empty text)" });
  const sure = probabilities?.[String(prediction)];
  return [
    make("p", { className: "target", textContent: model.target }),
    make("p", { className: "prediction" }, data),
    ...(sure === undefined ? [] : [make("p", { textContent: `with probability ${percent(sure)}` })]),
  ];
}

export function picture(model, { prediction, probabilities }) {
  return probabilities ? bars(probabilities, String(prediction)) : scale(model, prediction);
}

// --- Classification: a bar for each class, the likeliest first ------------------------------------------------

function bars(probabilities, predicted) {
  const sorted = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
  const items = sorted.map(([label, share]) => bar(label, share, label === predicted));
  const list = (some) => make("ul", { className: "bars" }, ...some);
  const shown = [hint("Probability of each class"), list(items.slice(0, MOST_BARS))];
  const others = items.slice(MOST_BARS);
  if (!others.length) return shown;
  return [...shown, make("details", {}, make("summary", { textContent: `${others.length} more` }), list(others))];
}

function bar(label, share, isPredicted) {
  const fill = make("span", { className: "fill" });
  fill.style.width = `${100 * share}%`;
  return make(
    "li",
    { className: isPredicted ? "predicted" : "" },
    make("span", { textContent: label || "(empty text)" }),
    make("span", { className: "share", textContent: percent(share) }),
    make("span", { className: "track" }, fill),
  );
}

// --- Regression: where the number lies among the answers for the example rows ---------------------------------

function scale(model, prediction) {
  const examples = model.golden_answers;
  const drawn = examples.length < FEWEST_EXAMPLES ? [] : line(examples, prediction);
  const typical = model.metrics.mae?.value;
  if (!typical) return drawn;
  return [...drawn, hint(`On the test set the model was off by ${figure(typical)} on average.`)];
}

function line(examples, prediction) {
  const [start, end] = [Math.min(...examples, prediction), Math.max(...examples, prediction)];
  if (start === end) return [];
  const x = (value) => EDGE + ((value - start) / (end - start)) * (WIDTH - 2 * EDGE);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} 32`, class: "scale", role: "img" });
  svg.setAttribute("aria-label", `${short(prediction)} on a line from ${short(start)} to ${short(end)}`);
  svg.append(
    draw("line", { x1: EDGE, x2: WIDTH - EDGE, y1: 16, y2: 16 }),
    ...examples.map((value) => draw("circle", { cx: x(value), cy: 16, r: 4, class: "example" })),
    draw("circle", { cx: x(prediction), cy: 16, r: 9, class: "answer" }),
  );
  const ends = [start, end].map((value) => make("span", { textContent: short(value) }));
  const among = `Small dots: the model's answers for ${examples.length} real rows.`;
  return [svg, make("p", { className: "ends" }, ...ends), hint(among)];
}

function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
