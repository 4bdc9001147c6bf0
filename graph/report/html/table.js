// All layers, sortable by every column.

const errorOf = name => layer => layer.errors ? layer.errors[name] : undefined;
const COLUMNS = [
  {title: 'Layer', value: fullName, text: fullName, kind: 'text name'},
  {title: 'Operator', value: layer => layer.op_type, text: layer => layer.op_type, kind: 'text'},
  {title: 'Method', value: layer => layer.method, text: layer => layer.method, kind: 'text'},
  {title: 'Weights', value: layer => layer.weights, text: layer => whole(layer.weights)},
  {title: 'Before', value: layer => layer.bytes_before, text: layer => bytes(layer.bytes_before)},
  {title: 'After', value: layer => layer.bytes_after, text: layer => bytes(layer.bytes_after)},
  {title: 'RMSE', value: errorOf('rmse'), text: layer => short(layer.errors.rmse)},
  {title: 'SQNR', value: layer => layer.errors && (layer.errors.sqnr_db ?? Infinity), text: layer => decibels(layer.errors.sqnr_db),
    mark: layer => grade(layer.errors)},
  {title: 'Largest error', value: errorOf('max_error'), text: layer => short(layer.errors.max_error)},
  {title: 'Cosine', value: errorOf('cosine'), text: layer => layer.errors.cosine.toFixed(6)},
  {title: 'Time', value: layer => layer.seconds, text: layer => seconds(layer.seconds)},
  {title: 'Reason', value: layer => layer.reason, text: layer => layer.note ? `${layer.reason}; ${layer.note}` : layer.reason,
    kind: 'text reason'},
];

const sorting = {column: -1, descending: false};
let tableBody = null, headCells = [];

function compare(a, b) {
  if (typeof a === 'string') return a < b ? -1 : a > b ? 1 : 0;
  return a === b ? 0 : a < b ? -1 : 1;
}

// Layers without a value stay at the end, whichever way the rest is sorted.
function sortedRows(rows) {
  if (sorting.column < 0) return rows;
  const value = COLUMNS[sorting.column].value, sign = sorting.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const left = value(report.layers[a.index]), right = value(report.layers[b.index]);
    if (left === undefined || right === undefined) return (left === undefined) - (right === undefined) || a.index - b.index;
    return sign * compare(left, right) || a.index - b.index;
  });
}

function tableRow(layer, index) {
  const cells = COLUMNS.map(column => {
    const present = column.value(layer) !== undefined, text = present ? column.text(layer) : '';
    const content = present && column.mark ? make('span', {class: column.mark(layer)}, text) : text;
    return make('td', {class: column.kind, title: column.kind ? text : null}, content);
  });
  return {index, text: cells.slice(0, 3).map(cell => cell.textContent.toLowerCase()).join('\n'),
    row: make('tr', {'data-layer': index, onclick: () => choose(index, true)}, ...cells)};
}

function showTable() {
  const rows = report.layers.map(tableRow);
  const filter = make('input', {type: 'search', placeholder: 'Filter by name, operator, method', 'aria-label': 'Filter'});
  const fill = () => {
    const words = filter.value.toLowerCase();
    tableBody.replaceChildren(...sortedRows(rows).filter(row => row.text.includes(words)).map(row => row.row));
  };
  const sortBy = index => {
    // Names start with the first, figures with the largest.
    sorting.descending = sorting.column === index ? !sorting.descending : !COLUMNS[index].kind;
    sorting.column = index;
    headCells.forEach((cell, i) => i === index ? cell.setAttribute('aria-sort', sorting.descending ? 'descending' : 'ascending')
      : cell.removeAttribute('aria-sort'));
    fill();
  };
  tableBody = make('tbody');
  headCells = COLUMNS.map((column, index) => make('th', {scope: 'col', class: column.kind},
    make('button', {type: 'button', onclick: () => sortBy(index)}, column.title)));
  filter.addEventListener('input', fill);
  fill();
  show('table', make('div', {class: 'bar-head'}, make('h2', {}, 'All layers'), filter),
    make('div', {class: 'scroll', tabindex: 0}, make('table', {}, make('thead', {}, make('tr', {}, ...headCells)), tableBody)));
}
