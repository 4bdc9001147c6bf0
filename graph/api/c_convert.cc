#include <vector>

#include "graph/api/c_common.h"

struct qp_cancellation {
  quantpress::Cancellation cancellation;
};

struct qp_plan {
  quantpress::Plan plan;
};

struct qp_report {
  quantpress::Report report;
};

namespace quantpress::c {
namespace {

qp_options Defaults() {
  const Options from;
  qp_options options{};
  options.size = sizeof(options);
  options.source_format = static_cast<int32_t>(from.source.format);
  options.batch = from.source.batch;
  options.convert_matmul_to_conv = from.source.convert_matmul_to_conv;
  options.gelu_approximation = from.source.gelu_approximation;
  options.group_conv_native = from.source.group_conv_native;
  options.recurrent_native = from.source.recurrent_native;
  options.align_denormals = from.source.align_denormals;
  options.bits = from.quantization.bits;
  options.asymmetric = from.quantization.asymmetric;
  options.hqq = from.quantization.hqq;
  options.block = from.quantization.block;
  options.scale_bits = from.quantization.scale_bits;
  options.fp16 = from.quantization.fp16;
  options.block_policy = static_cast<int32_t>(from.quantization.block_policy);
  options.nonfinite = static_cast<int32_t>(from.quantization.nonfinite);
  options.requantize = from.quantization.requantize;
  options.strict_recipe = from.quantization.strict_recipe;
  options.external_data = from.output.external;
  options.threads = from.run.threads;
  options.memory_bytes = from.run.memory_bytes;
  options.statistics = from.run.statistics;
  options.detect_sparse = from.quantization.detect_sparse;
  options.optimize_prefer = from.source.optimize_prefer;
  options.for_training = from.source.for_training;
  options.allow_custom_op = from.source.allow_custom_op;
  options.fuse_attention = from.source.fuse_attention;
  options.split_block_quant = from.source.split_block_quant;
  options.static_shapes = from.source.static_shapes;
  return options;
}

Error ReadOptions(const qp_options* in, Options* options) {
  qp_options from = Defaults();
  if (Error error = Read(in, "qp_options", &from); !error.ok()) return error;
  options->source = {Text(from.source_path),
                     static_cast<Format>(from.source_format),
                     from.batch,
                     from.convert_matmul_to_conv != 0,
                     from.gelu_approximation != 0,
                     from.group_conv_native != 0,
                     from.recurrent_native != 0,
                     from.align_denormals != 0};
  options->source.optimize_prefer = from.optimize_prefer;
  options->source.for_training = from.for_training != 0;
  options->source.allow_custom_op = from.allow_custom_op != 0;
  options->source.fuse_attention = from.fuse_attention != 0;
  options->source.split_block_quant = from.split_block_quant != 0;
  options->source.static_shapes = from.static_shapes != 0;
  options->source.target_version = Text(from.target_version);
  options->source.input_config_path = Text(from.input_config_path);
  Quantization& quantization = options->quantization;
  quantization.bits = from.bits;
  quantization.asymmetric = from.asymmetric != 0;
  quantization.hqq = from.hqq != 0;
  quantization.block = from.block;
  quantization.scale_bits = from.scale_bits;
  quantization.fp16 = from.fp16 != 0;
  quantization.block_policy = static_cast<BlockPolicy>(from.block_policy);
  quantization.nonfinite = static_cast<NonFinitePolicy>(from.nonfinite);
  quantization.requantize = from.requantize != 0;
  quantization.recipe_path = Text(from.recipe_path);
  quantization.strict_recipe = from.strict_recipe != 0;
  quantization.detect_sparse = from.detect_sparse != 0;
  if (from.rules == nullptr && from.rule_count > 0) return IsNull("qp_options: rules");
  for (size_t i = 0; i < from.rule_count; ++i) quantization.rules.push_back(Text(from.rules[i]));
  options->output = {Text(from.output_path), from.external_data != 0, Text(from.biz_code), Text(from.auth_code)};
  options->run = {from.threads, from.memory_bytes, Text(from.isa), from.statistics != 0};
  return {};
}

Error ReadHooks(const qp_hooks* in, Hooks* hooks) {
  if (in == nullptr) return {};
  qp_hooks from{};
  if (Error error = Read(in, "qp_hooks", &from); !error.ok()) return error;
  if (from.on_progress != nullptr) {
    hooks->on_progress = [call = from.on_progress, user = from.user](uint64_t done, uint64_t total) {
      call(user, done, total);
    };
  }
  if (from.cancellation != nullptr) hooks->cancellation = from.cancellation->cancellation;
  return {};
}

qp_layer ToLayer(const Layer& from) {
  qp_layer layer{};
  layer.name = from.name.c_str();
  layer.subgraph = from.subgraph.c_str();
  layer.op_type = from.op_type.c_str();
  layer.description = from.description.c_str();
  layer.reason = from.reason.c_str();
  layer.note = from.note.c_str();
  layer.rows = from.rows;
  layer.input_channels = from.input_channels;
  layer.kernel_size = from.kernel_size;
  layer.block = from.block;
  layer.group_size = from.group_size;
  layer.groups = from.groups;
  layer.bytes_before = from.bytes_before;
  layer.bytes_after = from.bytes_after;
  layer.storage = static_cast<int32_t>(from.storage);
  layer.method = static_cast<int32_t>(from.method);
  layer.bits = from.bits;
  layer.scale_bits = from.scale_bits;
  layer.has_statistics = from.statistics.has_value();
  if (from.statistics) {
    layer.weights = from.statistics->weights;
    layer.rmse = from.statistics->rmse;
    layer.sqnr_db = from.statistics->sqnr_db;
    layer.max_error = from.statistics->max_error;
    layer.cosine = from.statistics->cosine;
    layer.weight_min = from.statistics->weight_min;
    layer.weight_max = from.statistics->weight_max;
    layer.seconds = from.statistics->seconds;
  }
  return layer;
}

qp_totals ToTotals(const Report& report) {
  const Totals& from = report.totals();
  qp_totals totals{};
  totals.weights = from.weights;
  totals.bytes_before = from.bytes_before;
  totals.bytes_after = from.bytes_after;
  totals.source_bytes = from.source_bytes;
  totals.output_bytes = from.output_bytes;
  totals.quantized = from.quantized;
  totals.half = from.half;
  totals.float32 = from.float32;
  totals.kept = from.kept;
  totals.has_errors = from.rmse.has_value();
  totals.external_data = report.external();
  totals.rmse = from.rmse.value_or(0);
  totals.sqnr_db = from.sqnr_db.value_or(0);
  totals.max_error = from.max_error.value_or(0);
  totals.seconds = from.seconds;
  return totals;
}

qp_status LayerAt(const std::vector<Layer>& layers, size_t index, qp_layer* out) {
  return index < layers.size() ? Fill(ToLayer(layers[index]), out) : QP_INVALID_INPUT;
}

const char* NoteAt(const std::vector<std::string>& notes, size_t index) {
  return index < notes.size() ? notes[index].c_str() : nullptr;
}

// Gives a value as a handle of the caller; `out` may be null where the value is not wanted.
template <typename Handle, typename T>
Error GiveHandle(const Result<T>& value, Handle** out) {
  if (!value.ok()) return value.error();
  if (out != nullptr) *out = new Handle{*value};
  return {};
}

template <typename Handle, typename Body>
qp_status CallFor(Handle** out, qp_error** error, const Body& body) {
  if (out != nullptr) *out = nullptr;
  return Call(error, body);
}

}  // namespace
}  // namespace quantpress::c

using namespace quantpress::c;  // NOLINT: the functions below have no namespace of their own
using quantpress::Error;

const char* qp_version(void) { return quantpress::LibraryVersion(); }

qp_status qp_error_status(const qp_error* error) {
  return error == nullptr ? QP_OK : static_cast<qp_status>(error->error.code());
}
const char* qp_error_message(const qp_error* error) { return error == nullptr ? "" : error->error.message().c_str(); }
void qp_error_free(qp_error* error) { delete error; }
void qp_text_free(char* text) { delete[] text; }

void qp_options_init(qp_options* options, size_t size) {
  if (options == nullptr || size < sizeof(options->size)) return;
  std::memset(options, 0, size);
  options->size = size;
  Fill(Defaults(), options);
}

void qp_hooks_init(qp_hooks* hooks, size_t size) {
  if (hooks == nullptr || size < sizeof(hooks->size)) return;
  std::memset(hooks, 0, size);
  hooks->size = size;
}

qp_cancellation* qp_cancellation_new(void) {
  try {
    return new qp_cancellation;
  } catch (const std::exception&) {
    return nullptr;
  }
}
void qp_cancellation_cancel(const qp_cancellation* cancellation) {
  if (cancellation != nullptr) cancellation->cancellation.Cancel();
}
int32_t qp_cancellation_cancelled(const qp_cancellation* cancellation) {
  return cancellation != nullptr && cancellation->cancellation.cancelled();
}
void qp_cancellation_free(qp_cancellation* cancellation) { delete cancellation; }

qp_status qp_plan_make(const qp_options* options, qp_plan** plan, qp_error** error) {
  return CallFor(plan, error, [&]() -> Error {
    if (plan == nullptr) return IsNull("plan");
    quantpress::Options known;
    if (Error wrong = ReadOptions(options, &known); !wrong.ok()) return wrong;
    return GiveHandle(quantpress::MakePlan(known), plan);
  });
}

qp_status qp_plan_load(const char* path, qp_plan** plan, qp_error** error) {
  return CallFor(plan, error, [&]() -> Error {
    if (plan == nullptr) return IsNull("plan");
    return GiveHandle(quantpress::Plan::Load(Text(path)), plan);
  });
}

qp_status qp_plan_save(const qp_plan* plan, const char* path, qp_error** error) {
  return Call(error, [&] { return plan == nullptr ? IsNull("plan") : plan->plan.Save(Text(path)); });
}

qp_status qp_plan_json(const qp_plan* plan, char** json, qp_error** error) {
  return CallFor(json, error, [&] {
    return plan == nullptr || json == nullptr ? IsNull("plan or json") : GiveText(plan->plan.ToJson(), json);
  });
}

size_t qp_plan_layer_count(const qp_plan* plan) { return plan == nullptr ? 0 : plan->plan.layers().size(); }
qp_status qp_plan_layer(const qp_plan* plan, size_t index, qp_layer* layer) {
  return plan == nullptr ? QP_INVALID_INPUT : LayerAt(plan->plan.layers(), index, layer);
}
size_t qp_plan_note_count(const qp_plan* plan) { return plan == nullptr ? 0 : plan->plan.notes().size(); }
const char* qp_plan_note(const qp_plan* plan, size_t index) {
  return plan == nullptr ? nullptr : NoteAt(plan->plan.notes(), index);
}
void qp_plan_free(qp_plan* plan) { delete plan; }

qp_status qp_convert(const qp_options* options, const qp_hooks* hooks, qp_report** report, qp_error** error) {
  return CallFor(report, error, [&]() -> Error {
    quantpress::Options known;
    quantpress::Hooks watched;
    if (Error wrong = ReadOptions(options, &known); !wrong.ok()) return wrong;
    if (Error wrong = ReadHooks(hooks, &watched); !wrong.ok()) return wrong;
    return GiveHandle(quantpress::Convert(known, watched), report);
  });
}

qp_status qp_convert_plan(const qp_plan* plan, const qp_options* options, const qp_hooks* hooks, qp_report** report,
                          qp_error** error) {
  return CallFor(report, error, [&]() -> Error {
    if (plan == nullptr) return IsNull("plan");
    quantpress::Options known;
    quantpress::Hooks watched;
    if (Error wrong = ReadOptions(options, &known); !wrong.ok()) return wrong;
    if (Error wrong = ReadHooks(hooks, &watched); !wrong.ok()) return wrong;
    return GiveHandle(quantpress::ConvertPlan(plan->plan, known.output.path, known.run, watched, known.source.path),
                      report);
  });
}

qp_status qp_convert_all(const qp_options* const* options, size_t count, const qp_options* run, const qp_hooks* hooks,
                         qp_report** reports, qp_error** errors) {
  for (size_t i = 0; i < count; ++i) {
    if (reports != nullptr) reports[i] = nullptr;
    if (errors != nullptr) errors[i] = nullptr;
  }
  qp_status status = QP_OK;
  const auto fails = [&](size_t i, const Error& error) {
    const qp_status given = Give(error, errors != nullptr && i < count ? &errors[i] : nullptr);
    if (status == QP_OK) status = given;
  };
  const qp_status thrown = Call(nullptr, [&]() -> Error {
    std::vector<quantpress::Options> models(count);
    quantpress::Options budget;
    quantpress::Hooks watched;
    if (options == nullptr && count > 0) fails(0, IsNull("options"));
    for (size_t i = 0; options != nullptr && i < count; ++i) {
      if (const Error wrong = ReadOptions(options[i], &models[i]); !wrong.ok()) fails(i, wrong);
    }
    if (status != QP_OK) return {};
    Error wrong = ReadHooks(hooks, &watched);
    if (wrong.ok() && run != nullptr) wrong = ReadOptions(run, &budget);
    if (!wrong.ok()) {
      fails(0, wrong);
      return {};
    }
    const auto results = quantpress::ConvertAll(models, budget.run, watched);
    for (size_t i = 0; i < count; ++i) {
      if (const Error error = GiveHandle(results[i], reports != nullptr ? &reports[i] : nullptr); !error.ok())
        fails(i, error);
    }
    return {};
  });
  return thrown == QP_OK ? status : thrown;
}

size_t qp_report_layer_count(const qp_report* report) { return report == nullptr ? 0 : report->report.layers().size(); }
qp_status qp_report_layer(const qp_report* report, size_t index, qp_layer* layer) {
  return report == nullptr ? QP_INVALID_INPUT : LayerAt(report->report.layers(), index, layer);
}
size_t qp_report_note_count(const qp_report* report) { return report == nullptr ? 0 : report->report.notes().size(); }
const char* qp_report_note(const qp_report* report, size_t index) {
  return report == nullptr ? nullptr : NoteAt(report->report.notes(), index);
}
qp_status qp_report_totals(const qp_report* report, qp_totals* totals) {
  return report == nullptr ? QP_INVALID_INPUT : Fill(ToTotals(report->report), totals);
}
qp_status qp_report_write(const qp_report* report, const char* path, qp_error** error) {
  return Call(error, [&] { return report == nullptr ? IsNull("report") : report->report.Write(Text(path)); });
}
qp_status qp_report_text(const qp_report* report, int32_t format, char** text, qp_error** error) {
  return CallFor(text, error, [&] {
    if (report == nullptr || text == nullptr) return IsNull("report or text");
    return GiveText(report->report.Render(static_cast<quantpress::ReportFormat>(format)), text);
  });
}
void qp_report_free(qp_report* report) { delete report; }
