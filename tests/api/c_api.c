/* The C interface, used from C11. usage: api_c SOURCE FOLDER; status 0 if all is as it should be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/api/quantpress_c.h"

static int failures = 0;

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                     \
    }                                                                 \
  } while (0)

static const char* In(const char* folder, const char* name, char* path, size_t size) {
  snprintf(path, size, "%s/%s", folder, name);
  return path;
}

/* The whole file, freed by the caller; NULL where there is none. */
static char* ReadAll(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char* bytes = malloc(*size + 1);
  if (bytes != NULL && fread(bytes, 1, *size, file) != *size) *size = 0;
  fclose(file);
  return bytes;
}

static int SameFiles(const char* first, const char* second) {
  size_t first_size = 0, second_size = 0;
  char* a = ReadAll(first, &first_size);
  char* b = ReadAll(second, &second_size);
  const int same =
      a != NULL && b != NULL && first_size > 0 && first_size == second_size && memcmp(a, b, first_size) == 0;
  free(a);
  free(b);
  return same;
}

static void CancelAtOnce(void* user, uint64_t done, uint64_t total) {
  (void)done;
  (void)total;
  qp_cancellation_cancel(user);
}

static qp_options OptionsFor(const char* source, const char* output) {
  qp_options options;
  qp_options_init(&options, sizeof options);
  options.source_path = source;
  options.output_path = output;
  options.bits = 4;
  options.hqq = 1;
  options.block = 32;
  return options;
}

static void ConvertAndReport(const char* source, const char* folder) {
  char direct[4096], path[4096];
  qp_options options = OptionsFor(source, In(folder, "c.mnn", direct, sizeof direct));
  static const char* const rules[] = {"op:Convolution=bits:6"};
  options.rules = rules;
  options.rule_count = 1;
  qp_report* report = NULL;
  qp_error* error = NULL;
  CHECK(qp_convert(&options, NULL, &report, &error) == QP_OK);
  if (error != NULL) fprintf(stderr, "%s\n", qp_error_message(error));
  CHECK(error == NULL && report != NULL);
  if (report == NULL) return;

  qp_totals totals = {.size = sizeof totals};
  CHECK(qp_report_totals(report, &totals) == QP_OK);
  CHECK(totals.has_errors && totals.quantized > 2 && totals.bytes_after < totals.bytes_before / 4 &&
        !totals.external_data);
  size_t quantized = 0, with_rule = 0;
  for (size_t i = 0; i < qp_report_layer_count(report); ++i) {
    qp_layer layer = {.size = sizeof layer};
    CHECK(qp_report_layer(report, i, &layer) == QP_OK);
    if (layer.storage != QP_STORAGE_QUANTIZED) continue;
    ++quantized;
    with_rule += layer.bits == 6;
    CHECK(layer.method == QP_METHOD_HQQ && layer.has_statistics && layer.rmse > 0 && layer.weights > 0);
    CHECK(strlen(layer.name) > 0 && strlen(layer.reason) > 0 && strlen(layer.description) > 0);
    CHECK(strcmp(layer.op_type, "Convolution") != 0 || layer.bits == 6);
  }
  CHECK(quantized == totals.quantized && with_rule > 0);
  CHECK(qp_report_layer(report, 100000, &(qp_layer){.size = sizeof(qp_layer)}) == QP_INVALID_INPUT);
  CHECK(qp_report_note(report, qp_report_note_count(report)) == NULL);
  CHECK(qp_report_write(report, In(folder, "c.html", path, sizeof path), &error) == QP_OK);
  CHECK(qp_report_write(report, In(folder, "c.txt", path, sizeof path), &error) == QP_INVALID_INPUT);
  CHECK(error != NULL && strstr(qp_error_message(error), "c.txt") != NULL);
  qp_error_free(error);
  error = NULL;
  char* text = NULL;
  CHECK(qp_report_text(report, QP_REPORT_MARKDOWN, &text, &error) == QP_OK && text != NULL && strlen(text) > 100);
  qp_text_free(text);
  qp_report_free(report);

  /* The same by a plan, saved and loaded. */
  qp_plan *plan = NULL, *loaded = NULL;
  CHECK(qp_plan_make(&options, &plan, &error) == QP_OK);
  CHECK(qp_plan_layer_count(plan) > 0);
  qp_layer planned = {.size = sizeof planned};
  CHECK(qp_plan_layer(plan, 0, &planned) == QP_OK && planned.bytes_before > 0 && !planned.has_statistics);
  CHECK(qp_plan_save(plan, In(folder, "plan.json", path, sizeof path), &error) == QP_OK);
  CHECK(qp_plan_load(path, &loaded, &error) == QP_OK);
  CHECK(qp_plan_json(loaded, &text, &error) == QP_OK && text != NULL && strstr(text, "quantpress_plan") != NULL);
  qp_text_free(text);
  qp_options run;
  qp_options_init(&run, sizeof run);
  run.output_path = In(folder, "planned.mnn", path, sizeof path);
  run.isa = qp_isa_name(0);
  run.threads = 2;
  CHECK(qp_convert_plan(loaded, &run, NULL, NULL, &error) == QP_OK);
  CHECK(SameFiles(direct, path));
  qp_plan_free(plan);
  qp_plan_free(loaded);

  qp_model* model = NULL;
  CHECK(qp_model_inspect(direct, &model, &error) == QP_OK);
  qp_model_info info = {.size = sizeof info};
  CHECK(qp_model_info_of(model, &info) == QP_OK && info.format == QP_FORMAT_MNN && strcmp(info.framework, "ONNX") == 0);
  qp_tensor tensor = {.size = sizeof tensor};
  CHECK(info.input_count == 1 && qp_model_input(model, 0, &tensor) == QP_OK && tensor.dim_count == 4);
  CHECK(qp_model_output(model, info.output_count, &tensor) == QP_INVALID_INPUT);
  size_t coded = 0;
  for (size_t i = 0; i < info.weight_count; ++i) {
    qp_weight weight = {.size = sizeof weight};
    CHECK(qp_model_weight(model, i, &weight) == QP_OK);
    coded += strcmp(weight.coding, "quantized") == 0;
  }
  CHECK(coded == quantized);
  const char* type = NULL;
  uint64_t count = 0;
  CHECK(qp_model_operator(model, 0, &type, &count) == QP_OK && count > 0 && strlen(type) > 0);
  qp_model_free(model);

  qp_diff* diff = NULL;
  CHECK(qp_diff_weights(source, direct, &diff, &error) == QP_OK && qp_diff_count(diff) > 0);
  qp_difference difference = {.size = sizeof difference};
  CHECK(qp_diff_entry(diff, 0, &difference) == QP_OK && difference.match == QP_MATCH_COMPARED &&
        difference.different > 0);
  qp_weight stored = {.size = sizeof stored};
  CHECK(qp_diff_first(diff, 0, &stored) == QP_OK && stored.bits == 32 && qp_diff_second(diff, 0, &stored) == QP_OK);
  CHECK(qp_diff_entry(diff, qp_diff_count(diff), &difference) == QP_INVALID_INPUT);
  qp_weights* weights = NULL;
  CHECK(qp_weights_inspect(direct, stored.layer, &weights, &error) == QP_OK && qp_weights_count(weights) == 1);
  qp_weight_statistics statistics = {.size = sizeof statistics};
  CHECK(qp_weights_statistics(weights, 0, &statistics) == QP_OK && statistics.count == stored.weights &&
        statistics.histogram_size == 64);
  CHECK(qp_weights_stored(weights, 1, &stored) == QP_INVALID_INPUT);
  qp_weights_free(weights);
  qp_diff_free(diff);
  CHECK(qp_weights_inspect(direct, "nothing", &weights, NULL) == QP_INVALID_INPUT && weights == NULL);
}

static void Errors(const char* source, const char* folder) {
  char path[4096];
  qp_error* error = NULL;
  qp_report* report = NULL;
  qp_options options = OptionsFor("/nothing/is/here.onnx", In(folder, "none.mnn", path, sizeof path));
  CHECK(qp_convert(&options, NULL, &report, &error) == QP_SYSTEM && report == NULL);
  CHECK(qp_error_status(error) == QP_SYSTEM && strstr(qp_error_message(error), "/nothing/is/here.onnx") != NULL);
  qp_error_free(error);
  CHECK(qp_convert(&options, NULL, NULL, NULL) == QP_SYSTEM);
  CHECK(qp_convert(NULL, NULL, NULL, NULL) == QP_INVALID_INPUT);
  CHECK(qp_plan_make(&options, NULL, NULL) == QP_INVALID_INPUT);
  CHECK(qp_plan_load(NULL, NULL, NULL) == QP_INVALID_INPUT);
  options = OptionsFor(source, path);
  options.block_policy = 77;
  CHECK(qp_convert(&options, NULL, NULL, NULL) == QP_INVALID_INPUT);
  options = OptionsFor(source, path);
  options.size = 0;
  CHECK(qp_convert(&options, NULL, NULL, NULL) == QP_INVALID_INPUT);

  qp_hooks hooks;
  qp_hooks_init(&hooks, sizeof hooks);
  qp_cancellation* cancellation = qp_cancellation_new();
  hooks.cancellation = cancellation;
  hooks.user = cancellation;
  hooks.on_progress = CancelAtOnce;
  options = OptionsFor(source, path);
  CHECK(qp_convert(&options, &hooks, NULL, NULL) == QP_CANCELLED);
  CHECK(qp_cancellation_cancelled(cancellation) == 1);
  qp_cancellation_free(cancellation);
  size_t size = 0;
  CHECK(ReadAll(path, &size) == NULL);

  qp_error_free(NULL);
  qp_plan_free(NULL);
  qp_report_free(NULL);
  qp_model_free(NULL);
  qp_text_free(NULL);
  qp_cancellation_free(NULL);
  CHECK(qp_error_status(NULL) == QP_OK);
}

/* A caller that was compiled against an older header, and one that knows more. */
static void OtherVersions(const char* source, const char* folder) {
  char path[4096], longer[4096];
  qp_options options = OptionsFor(source, In(folder, "old.mnn", path, sizeof path));
  options.size = offsetof(qp_options, threads); /* had no settings of the run */
  options.threads = -5;
  options.isa = "nonsense";
  CHECK(qp_convert(&options, NULL, NULL, NULL) == QP_OK);
  struct {
    qp_options known;
    uint64_t more;
  } newer;
  qp_options_init(&newer.known, sizeof newer);
  CHECK(newer.known.size == sizeof newer && newer.more == 0);
  const size_t size = newer.known.size;
  newer.known = OptionsFor(source, In(folder, "new.mnn", longer, sizeof longer));
  newer.known.size = size;
  CHECK(qp_convert(&newer.known, NULL, NULL, NULL) == QP_OK);
  CHECK(SameFiles(path, longer));
  newer.more = 1;
  CHECK(qp_convert(&newer.known, NULL, NULL, NULL) == QP_UNSUPPORTED);

  qp_plan* plan = NULL;
  CHECK(qp_plan_make(&newer.known, &plan, NULL) == QP_UNSUPPORTED && plan == NULL);
  newer.more = 0;
  CHECK(qp_plan_make(&newer.known, &plan, NULL) == QP_OK);
  qp_layer layer;
  memset(&layer, 0x5a, sizeof layer);
  layer.size = offsetof(qp_layer, op_type);
  CHECK(qp_plan_layer(plan, 0, &layer) == QP_OK && layer.size == offsetof(qp_layer, op_type) && strlen(layer.name) > 0);
  unsigned char pattern[sizeof layer.seconds];
  memset(pattern, 0x5a, sizeof pattern);
  CHECK(memcmp(&layer.seconds, pattern, sizeof pattern) == 0); /* nothing is written behind what the caller has */
  layer.size = 0;
  CHECK(qp_plan_layer(plan, 0, &layer) == QP_INVALID_INPUT);
  qp_plan_free(plan);
}

/* Three models under one budget; one of them is not there. */
static void ConvertMany(const char* source, const char* folder) {
  char first[4096], second[4096], third[4096], single[4096], missing[4096];
  qp_options models[3], run;
  models[0] = OptionsFor(source, In(folder, "many0.mnn", first, sizeof first));
  models[1] =
      OptionsFor(In(folder, "missing.onnx", missing, sizeof missing), In(folder, "many1.mnn", second, sizeof second));
  models[2] = OptionsFor(source, In(folder, "many2.mnn", third, sizeof third));
  const qp_options* list[3] = {&models[0], &models[1], &models[2]};
  qp_options_init(&run, sizeof run);
  run.threads = 2;
  qp_report* reports[3];
  qp_error* errors[3];
  CHECK(qp_convert_all(list, 3, &run, NULL, reports, errors) == QP_SYSTEM);
  CHECK(reports[0] != NULL && reports[1] == NULL && reports[2] != NULL);
  CHECK(errors[0] == NULL && qp_error_status(errors[1]) == QP_SYSTEM && errors[2] == NULL);
  CHECK(strstr(qp_error_message(errors[1]), "missing.onnx") != NULL);
  CHECK(qp_report_layer_count(reports[2]) > 0);
  qp_options alone = OptionsFor(source, In(folder, "many.mnn", single, sizeof single));
  CHECK(qp_convert(&alone, NULL, NULL, NULL) == QP_OK);
  CHECK(SameFiles(first, single) && SameFiles(third, single));
  for (size_t i = 0; i < 3; ++i) {
    qp_report_free(reports[i]);
    qp_error_free(errors[i]);
  }
  CHECK(qp_convert_all(list, 1, NULL, NULL, NULL, NULL) == QP_OK);
  CHECK(qp_convert_all(NULL, 0, NULL, NULL, NULL, NULL) == QP_OK);
  models[2].size = 0;
  CHECK(qp_convert_all(list, 3, &run, NULL, reports, errors) == QP_INVALID_INPUT);
  CHECK(reports[0] == NULL && errors[0] == NULL && errors[2] != NULL);
  qp_error_free(errors[2]);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  CHECK(strlen(qp_version()) >= 5);
  CHECK(qp_isa_name(0) != NULL && qp_isa_name(1000) == NULL);
  ConvertAndReport(argv[1], argv[2]);
  Errors(argv[1], argv[2]);
  OtherVersions(argv[1], argv[2]);
  ConvertMany(argv[1], argv[2]);
  if (failures == 0) printf("all as it should be\n");
  return failures == 0 ? 0 : 1;
}
