// What is chosen, and the start.

let chosen = -1;

function markChosen() {
  for (const button of document.querySelectorAll('.bars button')) {
    button.setAttribute('aria-pressed', String(Number(button.dataset.layer) === chosen));
  }
  for (const row of tableBody.children) row.classList.toggle('chosen', Number(row.dataset.layer) === chosen);
}

function choose(index, bringIntoView = false) {
  chosen = index;
  showDetail(index);
  markChosen();
  if (bringIntoView) document.getElementById('detail').scrollIntoView({block: 'nearest', behavior: 'smooth'});
}

// The layer with the largest error, else the largest one.
function firstChoice() {
  const score = layer => layer.errors ? 1e30 + relativeError(layer.errors) * 1e30 : layer.bytes_before;
  return report.layers.reduce((best, layer, index, all) => score(layer) > score(all[best]) ? index : best, 0);
}

showSummary();
showCharts();
showTable();
if (report.layers.length > 0) choose(firstChoice());
else document.getElementById('detail').replaceChildren(make('p', {class: 'quiet'}, 'This model has no weights.'));
