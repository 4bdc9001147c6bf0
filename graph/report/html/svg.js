// Elements of the page and of drawings. Text always becomes a text node.

function fillElement(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

const make = (tag, attributes = {}, ...children) => fillElement(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  fillElement(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

function show(id, ...children) {
  const place = document.getElementById(id);
  place.replaceChildren(...children.filter(child => child));
  return place;
}

// Styles set from numbers only.
function sized(element, share) {
  element.style.width = Math.max(0, Math.min(100, 100 * share)).toFixed(2) + '%';
  return element;
}

const CHART = {width: 520, height: 190, left: 8, right: 8, top: 8, bottom: 24};

// A frame with labels below it; `body` gets the functions that place things in it.
function chart(title, labels, body) {
  const {width, height, left, right, top, bottom} = CHART;
  const plotWidth = width - left - right, plotHeight = height - top - bottom;
  const x = share => left + share * plotWidth, y = share => top + (1 - share) * plotHeight;
  const texts = labels.map(([share, text]) => draw('text', {
    x: x(share), y: height - 8, 'text-anchor': share < 0.1 ? 'start' : share > 0.9 ? 'end' : 'middle',
  }, text));
  return make('figure', {}, make('figcaption', {}, title),
    draw('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': title}, ...body(x, y),
      draw('line', {class: 'axis', x1: left, x2: width - right, y1: y(0), y2: y(0)}), ...texts));
}
