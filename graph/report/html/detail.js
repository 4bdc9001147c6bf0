// One layer: how it is stored, and histograms of its weights and codes.

function fact(name, value) {
  return value === '' ? null : make('div', {}, make('dt', {}, name), make('dd', {}, value));
}

function facts(layer) {
  const {errors, coding} = layer;
  const share = layer.bytes_before ? ` (${percent(layer.bytes_after / layer.bytes_before)})` : '';
  return make('dl', {class: 'facts'},
    fact('method', layer.method), fact('operator', layer.op_type),
    fact('shape', layer.weights ? `${whole(layer.rows)} × ${whole(layer.input_channels)} × ${whole(layer.kernel_size)}` : ''),
    fact('bytes', `${whole(layer.bytes_before)} → ${whole(layer.bytes_after)}${share}`),
    fact('scales', coding ? `${whole(coding.groups)}, one for ${whole(coding.group_size)} weights` : ''),
    fact('RMSE', errors ? short(errors.rmse) : ''), fact('SQNR', errors ? decibels(errors.sqnr_db) : ''),
    fact('largest error', errors ? short(errors.max_error) : ''), fact('cosine', errors ? errors.cosine.toFixed(6) : ''),
    fact('time', layer.seconds === undefined ? '' : seconds(layer.seconds)), fact('reason', layer.reason), fact('note', layer.note));
}

function weightChart(histogram) {
  const {weights, decoded, low, high} = histogram;
  const largest = Math.max(1, ...weights, ...(decoded || []));
  const labels = [[0, short(low)], [1, short(high)]];
  if (low < 0 && high > 0) {
    const zero = -low / (high - low);
    if (zero > 0.15 && zero < 0.85) labels.push([zero, '0']);
  }
  const title = decoded ? 'Weights before (bars) and after (line)' : 'Weights';
  return chart(title, labels, (x, y) => {
    const step = 1 / weights.length, range = index => `${short(low + (high - low) * index * step)} … ${short(low + (high - low) * (index + 1) * step)}`;
    const bars = weights.map((count, index) => draw('rect', {
      class: 'bar-before', x: x(index * step), width: Math.max(0.5, x(step) - x(0) - 0.6), y: y(count / largest), height: y(0) - y(count / largest),
    }, draw('title', {}, `${range(index)}: ${whole(count)}` + (decoded ? ` before, ${whole(decoded[index])} after` : ''))));
    if (!decoded) return bars;
    const points = decoded.flatMap((count, index) => [[index, count], [index + 1, count]]);
    const path = points.map(([at, count], index) => `${index ? 'L' : 'M'}${x(at * step).toFixed(1)} ${y(count / largest).toFixed(1)}`).join('');
    return [...bars, draw('path', {class: 'line-after', d: path})];
  });
}

function codeChart(histogram) {
  const {codes, lowest_code: lowest} = histogram;
  const largest = Math.max(1, ...codes), step = 1 / codes.length;
  const labels = [[0.5 * step, String(lowest)], [(0.5 - lowest) * step, '0'], [1 - 0.5 * step, String(lowest + codes.length - 1)]];
  return chart('Codes', labels, (x, y) => codes.map((count, index) => draw('rect', {
    class: 'bar-after', x: x((index + 0.08) * step), width: (x(step) - x(0)) * 0.84, y: y(count / largest), height: y(0) - y(count / largest),
  }, draw('title', {}, `code ${lowest + index}: ${whole(count)}`))));
}

function histograms(layer) {
  const histogram = layer.histogram;
  if (!histogram) return [make('p', {class: 'quiet'}, 'No histogram: the weights of this layer were copied without being read.')];
  const figures = make('div', {class: 'columns'}, weightChart(histogram), histogram.codes ? codeChart(histogram) : null);
  if (!histogram.weights || histogram.samples >= layer.weights) return [figures];
  return [figures, make('p', {class: 'quiet'}, `Histograms of a sample of ${whole(histogram.samples)} of ${whole(layer.weights)} weights.`)];
}

function showDetail(index) {
  const layer = report.layers[index], last = report.layers.length - 1;
  const select = make('select', {'aria-label': 'Layer', onchange: event => choose(Number(event.target.value))},
    ...report.layers.map((other, i) => make('option', {value: i, selected: i === index}, fullName(other))));
  const step = (text, label, target) => make('button', {
    type: 'button', class: 'more-button', 'aria-label': label, disabled: target < 0 || target > last, onclick: () => choose(target),
  }, text);
  show('detail', make('div', {class: 'bar-head'}, make('h2', {}, 'Layer'),
    make('div', {class: 'chooser'}, step('‹', 'Previous layer', index - 1), select, step('›', 'Next layer', index + 1))),
    facts(layer), ...histograms(layer));
}
