/* The C interface of the library, for C11 and for bindings of other languages: the calls of quantpress.h without
 * anything that depends on a compiler's C++.
 *
 * Handles (qp_plan, qp_report, qp_model, qp_weights, qp_diff, qp_cancellation, qp_error) are opaque; every one that a
 * function gives is freed with its _free, which takes NULL too. Texts and rows that a getter gives belong to the handle
 * and live as long as it does.
 *
 * Structs have their size in front, as their caller knows it: fields are added at the end only. The caller sets `size`
 * to sizeof (or lets qp_options_init and qp_hooks_init do it).
 *
 * A function that can fail returns a qp_status. `error` may be NULL; else *error is set to NULL where all is well, and
 * to a handle with the message where it is not. There is no last error of a thread or of the process, and no other
 * global state: all functions may be called from several threads at once, also with the same handle where the parameter
 * is const. No exception leaves a function.
 *
 * Enumerations are stored as int32_t, booleans as int32_t 0 or 1. Paths and names are bytes up to a zero; they need not
 * be UTF-8. A program in C links the library with a C++ linker. */
#ifndef QUANTPRESS_QUANTPRESS_C_H_
#define QUANTPRESS_QUANTPRESS_C_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t qp_status;
enum {
  QP_OK = 0,
  QP_INVALID_INPUT = 1, /* a wrong file, option or value */
  QP_UNSUPPORTED = 2,   /* legal, but this version cannot do it */
  QP_SYSTEM = 3,        /* open, read, write, memory */
  QP_MEMORY_BUDGET = 4, /* one piece of work needs more than memory_bytes */
  QP_CANCELLED = 5,
  QP_INTERNAL = 6
};

enum { QP_FORMAT_AUTO = 0, QP_FORMAT_MNN = 1, QP_FORMAT_ONNX = 2, QP_FORMAT_JSON = 6 };
enum { QP_BLOCK_CHANNEL = 0, QP_BLOCK_ADJUST = 1, QP_BLOCK_ERROR = 2 };
enum { QP_NONFINITE_ERROR = 0, QP_NONFINITE_ZERO = 1, QP_NONFINITE_CLAMP = 2 };
enum {
  QP_STORAGE_FLOAT32 = 0,
  QP_STORAGE_HALF = 1,
  QP_STORAGE_QUANTIZED = 2,
  QP_STORAGE_AS_IS = 3,
  QP_STORAGE_INT8 = 4
};
enum { QP_METHOD_NONE = 0, QP_METHOD_SYMMETRIC = 1, QP_METHOD_ASYMMETRIC = 2, QP_METHOD_HQQ = 3 };
enum { QP_REPORT_JSON = 0, QP_REPORT_MARKDOWN = 1, QP_REPORT_HTML = 2 };

typedef struct qp_error qp_error;
typedef struct qp_cancellation qp_cancellation;
typedef struct qp_plan qp_plan;
typedef struct qp_report qp_report;
typedef struct qp_model qp_model;
typedef struct qp_weights qp_weights;
typedef struct qp_diff qp_diff;

/* "0.1.0" */
const char* qp_version(void);

/* Names of what this CPU and this build have, slowest first; NULL from the end on. The text is never freed. */
const char* qp_isa_name(size_t index);

qp_status qp_error_status(const qp_error* error);
/* What was found, where, what was expected and what to do. */
const char* qp_error_message(const qp_error* error);
void qp_error_free(qp_error* error);

/* Frees a text that a function gave to the caller. */
void qp_text_free(char* text);

/* ---- What is asked for. Meaning and defaults: struct Options of quantpress.h. NULL is an empty text. */
typedef struct qp_options {
  size_t size;
  /* source */
  const char* source_path;
  int32_t source_format;
  int32_t batch;
  int32_t convert_matmul_to_conv;
  int32_t gelu_approximation;
  int32_t group_conv_native;
  int32_t recurrent_native;
  int32_t align_denormals;
  /* quantization */
  int32_t bits;
  int32_t asymmetric;
  int32_t hqq;
  int64_t block;
  int32_t scale_bits;
  int32_t fp16;
  int32_t block_policy;
  int32_t nonfinite;
  int32_t requantize;
  int32_t strict_recipe;
  const char* recipe_path;
  const char* const* rules;
  size_t rule_count;
  /* output */
  const char* output_path;
  const char* biz_code;
  const char* auth_code;
  int32_t external_data;
  /* how to run; none of it changes a byte of the output */
  int32_t threads;
  uint64_t memory_bytes;
  const char* isa;
  int32_t statistics;
  int32_t detect_sparse; /* quantization */
  /* source */
  int32_t optimize_prefer;
  int32_t for_training;
  int32_t allow_custom_op;
  int32_t fuse_attention;
  int32_t split_block_quant;
  int32_t static_shapes;
  const char* target_version;
  const char* input_config_path;
} qp_options;

/* Sets the first `size` bytes to the defaults: qp_options_init(&options, sizeof options). */
void qp_options_init(qp_options* options, size_t size);

/* ---- Watching and stopping */
qp_cancellation* qp_cancellation_new(void); /* NULL: out of memory */
/* From any thread, and from a signal handler. */
void qp_cancellation_cancel(const qp_cancellation* cancellation);
int32_t qp_cancellation_cancelled(const qp_cancellation* cancellation);
void qp_cancellation_free(qp_cancellation* cancellation);

typedef struct qp_hooks {
  size_t size;
  /* Weights done, and weights in all. Called from worker threads, several at a time. May be NULL. */
  void (*on_progress)(void* user, uint64_t done, uint64_t total);
  void* user;
  const qp_cancellation* cancellation; /* may be NULL; must live until the call returns */
} qp_hooks;

void qp_hooks_init(qp_hooks* hooks, size_t size);

/* ---- What comes out: one weight tensor. Fields: struct Layer of quantpress.h. */
typedef struct qp_layer {
  size_t size;
  const char* name;
  const char* subgraph;
  const char* op_type;
  const char* description;
  const char* reason;
  const char* note;
  uint64_t rows;
  uint64_t input_channels;
  uint64_t kernel_size;
  uint64_t block;
  uint64_t group_size;
  uint64_t groups;
  uint64_t bytes_before;
  uint64_t bytes_after;
  int32_t storage;
  int32_t method;
  int32_t bits;
  int32_t scale_bits;
  int32_t has_statistics; /* the rest is 0 without */
  int32_t reserved;
  uint64_t weights;
  double rmse;
  double sqnr_db;
  double max_error;
  double cosine;
  double weight_min;
  double weight_max;
  double seconds;
} qp_layer;

typedef struct qp_totals {
  size_t size;
  uint64_t weights;
  uint64_t bytes_before; /* of weights */
  uint64_t bytes_after;
  uint64_t source_bytes; /* of files */
  uint64_t output_bytes;
  uint64_t quantized; /* layers */
  uint64_t half;
  uint64_t float32;
  uint64_t kept;
  int32_t has_errors;    /* rmse, sqnr_db and max_error are 0 without */
  int32_t external_data; /* weights stand in <output>.weight */
  double rmse;
  double sqnr_db;
  double max_error;
  double seconds;
} qp_totals;

/* ---- Plans */
qp_status qp_plan_make(const qp_options* options, qp_plan** plan, qp_error** error);
/* A file of qp_plan_save, or of `quantpress plan -o`. */
qp_status qp_plan_load(const char* path, qp_plan** plan, qp_error** error);
qp_status qp_plan_save(const qp_plan* plan, const char* path, qp_error** error);
/* *json is freed with qp_text_free. */
qp_status qp_plan_json(const qp_plan* plan, char** json, qp_error** error);
size_t qp_plan_layer_count(const qp_plan* plan);
/* The caller sets layer->size. QP_INVALID_INPUT where there is no such layer. */
qp_status qp_plan_layer(const qp_plan* plan, size_t index, qp_layer* layer);
size_t qp_plan_note_count(const qp_plan* plan);
const char* qp_plan_note(const qp_plan* plan, size_t index); /* NULL where there is none */
void qp_plan_free(qp_plan* plan);

/* ---- Conversions. `hooks` may be NULL; `report` too. On any error, and when cancelled, nothing is left at the output
 * path but what was there before. */
qp_status qp_convert(const qp_options* options, const qp_hooks* hooks, qp_report** report, qp_error** error);
/* Does what a plan says. Of the options only output_path, threads, memory_bytes, isa and statistics count, and
 * source_path: where the model is now, NULL: where it was when the plan was made. */
qp_status qp_convert_plan(const qp_plan* plan, const qp_options* options, const qp_hooks* hooks, qp_report** report,
                          qp_error** error);

/* Many conversions under one budget: threads, memory_bytes and isa of `run`, whose other fields do not count.
 * options[i], reports[i] and errors[i] belong together; `reports` and `errors` may be NULL, else they have room for
 * `count` handles. A model that fails does not stop the others: QP_OK where all are written, else the status of the
 * first that is not. With wrong structs nothing is converted (those of run and hooks: errors[0]). */
qp_status qp_convert_all(const qp_options* const* options, size_t count, const qp_options* run, const qp_hooks* hooks,
                         qp_report** reports, qp_error** errors);

/* ---- Reports */
size_t qp_report_layer_count(const qp_report* report);
qp_status qp_report_layer(const qp_report* report, size_t index, qp_layer* layer);
size_t qp_report_note_count(const qp_report* report);
const char* qp_report_note(const qp_report* report, size_t index);
/* The caller sets totals->size. */
qp_status qp_report_totals(const qp_report* report, qp_totals* totals);
/* .json, .md, .html or .htm at the end of the path says what is written. */
qp_status qp_report_write(const qp_report* report, const char* path, qp_error** error);
/* *text is freed with qp_text_free. */
qp_status qp_report_text(const qp_report* report, int32_t format, char** text, qp_error** error);
void qp_report_free(qp_report* report);

/* ---- Looking into files. Fields: ModelInfo, Tensor and StoredWeight of quantpress.h. */
typedef struct qp_model_info {
  size_t size;
  int32_t format;
  int32_t reserved;
  uint64_t file_bytes;
  uint64_t external_bytes;
  const char* framework;
  const char* version;
  const char* uuid;
  const char* biz_code;
  const char* auth_code;
  size_t input_count;
  size_t output_count;
  size_t operator_count;
  size_t weight_count;
  size_t metadata_count;
} qp_model_info;

typedef struct qp_tensor {
  size_t size;
  const char* name;
  const int32_t* dims;
  size_t dim_count;
  const char* type;
  const char* layout;
} qp_tensor;

typedef struct qp_weight {
  size_t size;
  const char* layer;
  const char* subgraph;
  const char* op_type;
  const char* coding;
  uint64_t weights;
  uint64_t groups;
  uint64_t group_size;
  uint64_t block;
  uint64_t bytes;
  int32_t bits;
  int32_t asymmetric;
  int32_t scale_bits;
  int32_t external_data;
} qp_weight;

qp_status qp_model_inspect(const char* path, qp_model** model, qp_error** error);
/* The caller sets `size` of what is filled. QP_INVALID_INPUT where there is no such part. */
qp_status qp_model_info_of(const qp_model* model, qp_model_info* info);
qp_status qp_model_input(const qp_model* model, size_t index, qp_tensor* tensor);
qp_status qp_model_output(const qp_model* model, size_t index, qp_tensor* tensor);
qp_status qp_model_weight(const qp_model* model, size_t index, qp_weight* weight);
qp_status qp_model_operator(const qp_model* model, size_t index, const char** type, uint64_t* count);
qp_status qp_model_metadata(const qp_model* model, size_t index, const char** key, const char** value);
void qp_model_free(qp_model* model);

/* ---- Weights of one layer, and those of two files. Fields: WeightStatistics and WeightDifference of quantpress.h. */
enum {
  QP_MATCH_COMPARED = 0,
  QP_MATCH_ONLY_FIRST = 1,
  QP_MATCH_ONLY_SECOND = 2,
  QP_MATCH_OTHER_SIZE = 3,
  QP_MATCH_NOT_READABLE = 4
};

typedef struct qp_weight_statistics {
  size_t size;
  int32_t codes; /* the values are codes: the file has no scale of the weights alone */
  int32_t reserved;
  uint64_t count;
  uint64_t not_finite;
  uint64_t zeros;
  double smallest;
  double largest;
  double mean;
  double deviation;
  double rms;
  const uint64_t* histogram;
  size_t histogram_size;
} qp_weight_statistics;

typedef struct qp_difference {
  size_t size;
  int32_t match;
  int32_t codes;
  const char* problem;
  uint64_t different;
  double rmse;
  double sqnr_db;
  double max_error;
  double cosine;
} qp_difference;

/* The weight tensors of a layer ("name" or "subgraph/name"); names need not be unique. */
qp_status qp_weights_inspect(const char* path, const char* layer, qp_weights** weights, qp_error** error);
size_t qp_weights_count(const qp_weights* weights);
/* The caller sets `size` of what is filled. QP_INVALID_INPUT where there is no such part. */
qp_status qp_weights_stored(const qp_weights* weights, size_t index, qp_weight* weight);
qp_status qp_weights_statistics(const qp_weights* weights, size_t index, qp_weight_statistics* statistics);
void qp_weights_free(qp_weights* weights);

qp_status qp_diff_weights(const char* first, const char* second, qp_diff** diff, qp_error** error);
size_t qp_diff_count(const qp_diff* diff);
qp_status qp_diff_entry(const qp_diff* diff, size_t index, qp_difference* difference);
qp_status qp_diff_first(const qp_diff* diff, size_t index, qp_weight* weight); /* how the first file stores it */
qp_status qp_diff_second(const qp_diff* diff, size_t index, qp_weight* weight);
void qp_diff_free(qp_diff* diff);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* QUANTPRESS_QUANTPRESS_C_H_ */
