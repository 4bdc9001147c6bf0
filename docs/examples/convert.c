/* usage: convert_c MODEL OUTPUT.mnn [REPORT.html]
 * Converts a model with 4-bit weights and prints what became of each layer. */
#include <inttypes.h>
#include <quantpress/quantpress_c.h>
#include <stdio.h>

static int Fail(qp_error* error) {
  fprintf(stderr, "%s\n", qp_error_message(error));
  qp_error_free(error);
  return 1;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;

  static const char* const rules[] = {"op:ConvolutionDepthwise=bits:8,block:-1"};
  qp_options options;
  qp_options_init(&options, sizeof options);
  options.source_path = argv[1];
  options.output_path = argv[2];
  options.bits = 4;
  options.hqq = 1;
  options.block = 32;
  options.rules = rules;
  options.rule_count = 1;

  qp_report* report = NULL;
  qp_error* error = NULL;
  if (qp_convert(&options, NULL, &report, &error) != QP_OK) return Fail(error);
  for (size_t i = 0; i < qp_report_layer_count(report); ++i) {
    qp_layer layer = {.size = sizeof layer};
    qp_report_layer(report, i, &layer);
    printf("%s: %s, %" PRIu64 " -> %" PRIu64 " bytes", layer.name, layer.description, layer.bytes_before,
           layer.bytes_after);
    if (layer.has_statistics) printf(", SQNR %g dB", layer.sqnr_db);
    printf(" (%s)\n", layer.reason);
  }
  for (size_t i = 0; i < qp_report_note_count(report); ++i) printf("note: %s\n", qp_report_note(report, i));
  const qp_status written = argc > 3 ? qp_report_write(report, argv[3], &error) : QP_OK;
  qp_report_free(report);
  return written == QP_OK ? 0 : Fail(error);
}
