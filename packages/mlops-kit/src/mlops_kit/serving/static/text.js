// Elements, and values as people read them.

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export const short = (value) =>
  String(Math.abs(value) >= 1e5 ? Math.round(value) : Number(value.toPrecision(6)));

export function figure(value) {
  const size = Math.abs(value);
  if (size >= 1000) return String(Math.round(value));
  return size >= 0.001 && size < 10 ? value.toFixed(3) : value.toPrecision(3);
}

export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}
