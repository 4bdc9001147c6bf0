'use strict';
// Numbers and names as people read them.

const report = JSON.parse(document.getElementById('data').textContent);

const fullName = layer => (layer.subgraph ? layer.subgraph + '/' : '') + (layer.layer || '(no name)');
const baseName = path => path.slice(path.lastIndexOf('/') + 1) || path;

function bytes(count) {
  if (count < 1000) return count + ' B';
  let value = count;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    value /= 1000;
    if (value < 999.5) return value.toPrecision(3) + ' ' + unit;
  }
  return value.toPrecision(4) + ' TB';
}

const whole = count => String(count).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');  // narrow spaces between thousands
const short = value => value === 0 ? '0' : Number(value.toPrecision(3)).toString();
const percent = share => share === 0 ? '0 %' : (100 * share).toPrecision(share < 0.0995 ? 2 : 3) + ' %';
const plural = (count, noun) => count + ' ' + noun + (count === 1 ? '' : 's');
const seconds = value => value >= 0.9995 ? value.toFixed(2) + ' s' : (1000 * value).toPrecision(3) + ' ms';
const decibels = value => value === null ? 'exact' : value.toFixed(1) + ' dB';

// Size of the error against the size of the weights: 0.1 is an SQNR of 20 dB. 0: exact.
const relativeError = errors => errors.sqnr_db === null ? 0 : 10 ** (-errors.sqnr_db / 20);
// From experience with weights alone: 4 bits give about 20 dB, 8 bits about 44 dB.
const grade = errors => errors.sqnr_db === null || errors.sqnr_db >= 30 ? 'good' : errors.sqnr_db >= 15 ? 'fair' : 'poor';
