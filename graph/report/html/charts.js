// Size by layer and error by layer: horizontal bars, longest first.

const FIRST_BARS = 14;

// A name that is too long loses its middle: both ends tell layers apart.
function label(name) {
  const tail = name.length > 16 ? 10 : 0;
  return make('span', {class: 'label'}, make('bdi', {}, name.slice(0, name.length - tail)), make('bdi', {}, name.slice(name.length - tail)));
}

function barButton(index, stack, amount) {
  const name = fullName(report.layers[index]);
  return make('button', {type: 'button', 'data-layer': index, title: name, 'aria-pressed': 'false', onclick: () => choose(index)},
    label(name), stack, make('span', {class: 'amount'}, amount));
}

// The first bars, and a button for the rest.
function barList(buttons) {
  const list = make('div', {class: 'bars'}, ...buttons.slice(0, FIRST_BARS));
  if (buttons.length <= FIRST_BARS) return [list];
  const more = make('button', {type: 'button', class: 'more-button'}, `Show all ${buttons.length}`);
  more.addEventListener('click', () => {
    list.append(...buttons.slice(FIRST_BARS));
    more.remove();
    markChosen();
  });
  return [list, more];
}

function panel(id, title, legend, content) {
  return make('div', {class: 'panel', id}, make('div', {class: 'bar-head'}, make('h2', {}, title), legend), ...content);
}

function sizePanel() {
  const order = report.layers.map((_, index) => index);
  const size = index => Math.max(report.layers[index].bytes_before, report.layers[index].bytes_after);
  order.sort((a, b) => size(b) - size(a) || a - b);
  const largest = Math.max(1, ...report.layers.map((_, index) => size(index)));
  const buttons = order.map(index => {
    const layer = report.layers[index];
    const stack = make('span', {class: 'stack'}, sized(make('span', {class: 'fill before'}), layer.bytes_before / largest),
      sized(make('span', {class: 'fill after-fill'}), layer.bytes_after / largest));
    return barButton(index, stack, bytes(layer.bytes_after));
  });
  const legend = make('div', {class: 'legend'}, make('span', {}, make('i', {class: 'before'}), 'before'), make('span', {}, make('i'), 'after'));
  return panel('sizes', 'Size by layer', legend, barList(buttons));
}

function errorPanel() {
  const order = report.layers.map((_, index) => index).filter(index => report.layers[index].errors);
  if (order.length === 0) {
    return panel('errors', 'Error by layer', null, [make('p', {class: 'quiet'}, 'No layer was quantized or stored as halves.')]);
  }
  const error = index => relativeError(report.layers[index].errors);
  order.sort((a, b) => error(b) - error(a) || a - b);
  const largest = error(order[0]) || 1;
  const buttons = order.map(index => {
    const errors = report.layers[index].errors;
    const stack = make('span', {class: 'stack'}, sized(make('span', {class: 'fill ' + grade(errors)}), error(index) / largest));
    return barButton(index, stack, percent(error(index)));
  });
  return panel('errors', 'Error by layer', make('div', {class: 'legend'}, 'relative RMS error'), barList(buttons));
}

function showCharts() {
  if (report.layers.length === 0) return;
  show('charts', sizePanel(), errorPanel());
}
