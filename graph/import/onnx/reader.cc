#include "graph/import/onnx/model_view.h"
#include "graph/import/wire.h"

namespace quantpress::graph::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr int kMaxNesting = 64;

// Thrown and caught in this file, like protozero's own exceptions.
struct TooDeep : std::runtime_error {
  TooDeep() : std::runtime_error("graphs are nested more than 64 deep") {}
};

std::string_view View(pbf_reader& r) {
  const protozero::data_view v = r.get_view();
  return {v.data(), v.size()};
}

// Repeated scalars may come packed or one by one.
template <typename T, typename GetPacked, typename GetOne>
void Append(pbf_reader& r, std::vector<T>* out, GetPacked packed, GetOne one) {
  if (r.wire_type() == pbf_wire_type::length_delimited) {
    for (auto x : packed()) out->push_back(static_cast<T>(x));
  } else {
    out->push_back(static_cast<T>(one()));
  }
}

void AppendInt64(pbf_reader& r, std::vector<int64_t>* out) {
  Append(r, out, [&] { return r.get_packed_int64(); }, [&] { return r.get_int64(); });
}

std::pair<std::string_view, std::string_view> ReadEntry(pbf_reader r) {
  std::pair<std::string_view, std::string_view> entry;
  while (r.next()) {
    if (r.tag() == 1) entry.first = View(r);
    else if (r.tag() == 2) entry.second = View(r);
    else r.skip();
  }
  return entry;
}

void ReadOpset(pbf_reader r, std::map<std::string, int64_t, std::less<>>* opsets) {
  std::string domain;
  int64_t version = 0;
  while (r.next()) {
    if (r.tag() == 1) domain = r.get_string();
    else if (r.tag() == 2) version = r.get_int64();
    else r.skip();
  }
  (*opsets)[domain == "ai.onnx" ? "" : domain] = version;
}

void ReadFloatData(pbf_reader& r, TensorView* t) {
  if (r.wire_type() != pbf_wire_type::length_delimited) {
    t->unpacked_floats.push_back(r.get_float());
    return;
  }
  const std::string_view piece = View(r);
  if (piece.size() % sizeof(float) != 0) throw protozero::invalid_length_exception{};
  if (t->float_data.empty() && t->unpacked_floats.empty()) {
    t->float_data = piece;
    return;
  }
  // Several pieces: gather them.
  for (std::string_view bytes : {t->float_data, piece}) {
    const size_t old = t->unpacked_floats.size();
    t->unpacked_floats.resize(old + bytes.size() / sizeof(float));
    std::memcpy(t->unpacked_floats.data() + old, bytes.data(), bytes.size());
  }
  t->float_data = {};
}

TensorView ReadTensor(pbf_reader r) {
  TensorView t;
  while (r.next()) {
    switch (r.tag()) {
      case 1: AppendInt64(r, &t.dims); break;
      case 2: t.data_type = r.get_int32(); break;
      case 4: ReadFloatData(r, &t); break;
      case 5: Append(r, &t.int32_data, [&] { return r.get_packed_int32(); }, [&] { return r.get_int32(); }); break;
      case 6: r.skip(); ++t.string_count; break;
      case 7: AppendInt64(r, &t.int64_data); break;
      case 8: t.name = View(r); break;
      case 9: t.raw_data = View(r); break;
      case 10: Append(r, &t.double_data, [&] { return r.get_packed_double(); }, [&] { return r.get_double(); }); break;
      case 11: Append(r, &t.uint64_data, [&] { return r.get_packed_uint64(); }, [&] { return r.get_uint64(); }); break;
      case 13: t.external_data.push_back(ReadEntry(r.get_message())); break;
      case 14: t.external = r.get_int32() == 1; break;
      default: r.skip();
    }
  }
  return t;
}

SparseTensorView ReadSparseTensor(pbf_reader r) {
  SparseTensorView t;
  while (r.next()) {
    switch (r.tag()) {
      case 1: t.values = ReadTensor(r.get_message()); break;
      case 2: t.indices = ReadTensor(r.get_message()); break;
      case 3: AppendInt64(r, &t.dims); break;
      default: r.skip();
    }
  }
  return t;
}

std::vector<DimView> ReadShape(pbf_reader r) {
  std::vector<DimView> dims;
  while (r.next()) {
    if (r.tag() != 1) {
      r.skip();
      continue;
    }
    DimView dim;
    pbf_reader d = r.get_message();
    while (d.next()) {
      if (d.tag() == 1) dim.value = d.get_int64();
      else if (d.tag() == 2) dim.param = View(d);
      else d.skip();
    }
    dims.push_back(dim);
  }
  return dims;
}

ValueView ReadValue(pbf_reader r) {
  ValueView v;
  while (r.next()) {
    if (r.tag() == 1) {
      v.name = View(r);
    } else if (r.tag() == 2) {
      pbf_reader type = r.get_message();
      while (type.next()) {
        if (type.tag() != 1) {
          type.skip();
          continue;
        }
        v.is_tensor = true;
        pbf_reader tensor = type.get_message();
        while (tensor.next()) {
          if (tensor.tag() == 1) v.elem_type = tensor.get_int32();
          else if (tensor.tag() == 2) v.shape = ReadShape(tensor.get_message());
          else tensor.skip();
        }
      }
    } else {
      r.skip();
    }
  }
  return v;
}

GraphView ReadGraph(pbf_reader r, int depth);

AttributeView ReadAttribute(pbf_reader r, int depth) {
  AttributeView a;
  bool seen[12] = {};
  const auto saw = [&](AttributeType t) { seen[static_cast<int>(t)] = true; };
  while (r.next()) {
    switch (r.tag()) {
      case 1: a.name = View(r); break;
      case 2: a.f = r.get_float(); saw(AttributeType::kFloat); break;
      case 3: a.i = r.get_int64(); saw(AttributeType::kInt); break;
      case 4: a.s = View(r); saw(AttributeType::kString); break;
      case 5: a.tensor = std::make_shared<TensorView>(ReadTensor(r.get_message())); saw(AttributeType::kTensor); break;
      case 6: a.graph = std::make_shared<GraphView>(ReadGraph(r.get_message(), depth + 1)); saw(AttributeType::kGraph); break;
      case 7: Append(r, &a.floats, [&] { return r.get_packed_float(); }, [&] { return r.get_float(); }); saw(AttributeType::kFloats); break;
      case 8: AppendInt64(r, &a.ints); saw(AttributeType::kInts); break;
      case 9: a.strings.push_back(View(r)); saw(AttributeType::kStrings); break;
      case 20: {
        const int32_t type = r.get_int32();
        a.type = type >= 0 && type <= 11 ? static_cast<AttributeType>(type) : AttributeType::kUndefined;
        break;
      }
      case 21: a.reference = View(r); break;
      case 22: a.sparse_tensor = std::make_shared<SparseTensorView>(ReadSparseTensor(r.get_message())); saw(AttributeType::kSparseTensor); break;
      default: r.skip();
    }
  }
  if (a.type == AttributeType::kUndefined) {  // old files say it by the field alone
    for (int t = 1; t < 12; ++t) {
      if (seen[t]) a.type = static_cast<AttributeType>(t);
    }
  }
  return a;
}

NodeView ReadNode(pbf_reader r, int depth) {
  NodeView n;
  while (r.next()) {
    switch (r.tag()) {
      case 1: n.inputs.push_back(View(r)); break;
      case 2: n.outputs.push_back(View(r)); break;
      case 3: n.name = View(r); break;
      case 4: n.op_type = View(r); break;
      case 5: n.attributes.push_back(ReadAttribute(r.get_message(), depth)); break;
      case 7: n.domain = View(r); break;
      case 8: n.overload = View(r); break;
      default: r.skip();
    }
  }
  if (n.domain == "ai.onnx") n.domain = {};
  return n;
}

GraphView ReadGraph(pbf_reader r, int depth) {
  if (depth > kMaxNesting) throw TooDeep{};
  GraphView g;
  while (r.next()) {
    switch (r.tag()) {
      case 1: g.nodes.push_back(ReadNode(r.get_message(), depth)); break;
      case 2: g.name = View(r); break;
      case 5: g.initializers.push_back(ReadTensor(r.get_message())); break;
      case 11: g.inputs.push_back(ReadValue(r.get_message())); break;
      case 12: g.outputs.push_back(ReadValue(r.get_message())); break;
      case 13: g.value_info.push_back(ReadValue(r.get_message())); break;
      case 15: g.sparse_initializers.push_back(ReadSparseTensor(r.get_message())); break;
      default: r.skip();
    }
  }
  return g;
}

FunctionView ReadFunction(pbf_reader r) {
  FunctionView f;
  while (r.next()) {
    switch (r.tag()) {
      case 1: f.name = View(r); break;
      case 4: f.inputs.push_back(View(r)); break;
      case 5: f.outputs.push_back(View(r)); break;
      case 6: f.attributes.push_back(View(r)); break;
      case 7: f.nodes.push_back(ReadNode(r.get_message(), 1)); break;
      case 9: ReadOpset(r.get_message(), &f.opsets); break;
      case 10: f.domain = View(r); break;
      case 11: f.default_attributes.push_back(ReadAttribute(r.get_message(), 1)); break;
      case 13: f.overload = View(r); break;
      default: r.skip();
    }
  }
  if (f.domain == "ai.onnx") f.domain = {};
  return f;
}

ModelView ReadModelOrThrow(Bytes file) {
  ModelView m;
  pbf_reader r(reinterpret_cast<const char*>(file.data), file.size);
  m.file = std::move(file);
  while (r.next()) {
    switch (r.tag()) {
      case 1: m.ir_version = r.get_int64(); break;
      case 2: m.producer = View(r); break;
      case 7: m.graph = std::make_unique<GraphView>(ReadGraph(r.get_message(), 0)); break;
      case 8: ReadOpset(r.get_message(), &m.opsets); break;
      case 14: m.metadata.push_back(ReadEntry(r.get_message())); break;
      case 25: m.functions.push_back(ReadFunction(r.get_message())); break;
      default: r.skip();
    }
  }
  return m;
}

}  // namespace

StatusOr<ModelView> ReadModel(Bytes file) {
  try {
    ModelView model = ReadModelOrThrow(std::move(file));
    if (model.graph == nullptr) return InvalidInput("the file holds no ONNX graph");
    return model;
  } catch (const protozero::exception& error) {
    return InvalidInput("the file is no ONNX model or is damaged ({})", error.what());
  } catch (const std::runtime_error& error) {
    return InvalidInput("the file is no usable ONNX model: {}", error.what());
  }
}

}  // namespace quantpress::graph::onnx
