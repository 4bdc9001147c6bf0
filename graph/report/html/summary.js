// The head of the page: what came out, in a few figures.

function card(name, value, more, kind = '') {
  return make('div', {class: 'card ' + kind}, make('div', {class: 'name'}, name), make('div', {class: 'value'}, value),
    more instanceof Node ? more : make('div', {class: 'more'}, more));
}

function pair(name, count, largest, kind) {
  const fill = sized(make('span', {class: 'fill ' + kind}), largest ? count / largest : 0);
  return make('div', {}, make('span', {}, name), make('span', {class: 'track'}, fill), make('span', {}, bytes(count)));
}

function sizeCard() {
  const before = report.source_bytes, after = report.output_bytes, largest = Math.max(before, after);
  const times = after ? before / after : 0;
  const value = times >= 1.005 ? times.toFixed(2) + ' times smaller' : 'same size or larger';
  return card('Files', value, make('div', {class: 'pair'}, pair('before', before, largest, 'before'), pair('after', after, largest, '')),
    'wide');
}

function layerCard() {
  const {quantized, float16, float32, kept} = report.totals.layers;
  const parts = [[quantized, 'quantized'], [float16, 'float16'], [float32, 'float32'], [kept, 'as in the source']];
  const text = parts.filter(part => part[0] > 0).map(part => part.join(' ')).join(', ');
  return card('Weights', whole(report.totals.weights), 'in ' + plural(report.layers.length, 'layer') + (text ? ': ' + text : ''));
}

function errorCard() {
  const totals = report.totals;
  if (totals.rmse === null) return card('Error', 'none', 'nothing was quantized, or statistics were off');
  const share = relativeError(totals);
  return card('Error', percent(share), share === 0 ? 'no weight changed' : `relative RMS, SQNR ${decibels(totals.sqnr_db)}`);
}

function timeCard() {
  return card('Time', seconds(report.seconds), `${plural(report.threads, 'thread')}, ${report.isa}`, 'last');
}

function showSummary() {
  document.title = baseName(report.output) + ' – quantpress report';
  show('header', make('h1', {}, baseName(report.output)),
    make('p', {}, `converted from ${report.source} (${report.format})`));
  show('summary', sizeCard(), layerCard(), errorCard(), timeCard());
  show('footer', `quantpress ${report.quantpress}. Errors compare the weights that the runtime decodes with the float weights of the source.`);
  if (report.notes.length === 0) return;
  show('notes', make('h2', {}, 'Notes'), make('ul', {}, ...report.notes.map(note => make('li', {}, note)))).hidden = false;
}
