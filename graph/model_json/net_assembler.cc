#include "graph/model_json/net_assembler.h"

#include <algorithm>

namespace quantpress::graph {
namespace {

constexpr size_t kBigVector = 64 * 1024;  // bytes; part of the layout, so it must not depend on the machine
constexpr size_t kPiece = 1 << 20;

}  // namespace

StatusOr<std::unique_ptr<NetAssembler>> NetAssembler::Create() {
  std::unique_ptr<NetAssembler> assembler(new NetAssembler());
  QP_ASSIGN_OR_RETURN(assembler->folder_, ScratchFolder::Create());
  QP_ASSIGN_OR_RETURN(assembler->vectors_file_, OutputFile::Create(*assembler->folder_ / "vectors", 0));
  assembler->vectors_ = std::make_unique<Appender>(*assembler->vectors_file_);
  return assembler;
}

NetAssembler::Offset NetAssembler::AddString(std::string_view text) {
  return builder_.CreateString(text.data(), text.size()).o;
}

NetAssembler::Offset NetAssembler::AddOffsets(const std::vector<Offset>& offsets) {
  std::vector<flatbuffers::Offset<void>> typed;
  typed.reserve(offsets.size());
  for (const Offset offset : offsets) typed.emplace_back(offset);
  return builder_.CreateVector(typed).o;
}

void NetAssembler::BeginVector(size_t width) {
  buffer_.clear();
  spilled_ = 0;
  width_ = width;
}

Status NetAssembler::Spill() {
  QP_RETURN_IF_ERROR(CheckSize());
  QP_RETURN_IF_ERROR(vectors_->Append(AsBytes(buffer_)));
  spilled_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status NetAssembler::AppendToVector(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kPiece ? Status() : Spill();
}

Status NetAssembler::EndVector(Field* field) {
  if (spilled_ == 0 && buffer_.size() <= kBigVector) {
    builder_.StartVector(buffer_.size() / width_, width_);
    builder_.PushBytes(AsBytes(buffer_).data(), buffer_.size());
    field->kind = Field::Kind::kOffset;
    field->value = builder_.EndVector(buffer_.size() / width_);
    return {};
  }
  QP_RETURN_IF_ERROR(Spill());
  field->kind = Field::Kind::kBigVector;
  field->value = big_.size();
  big_.push_back({vectors_->size() - spilled_, spilled_, width_});
  return {};
}

NetAssembler::Offset NetAssembler::AddTable(std::vector<Field> fields) {
  for (Field& field : fields) {
    if (field.kind != Field::Kind::kScalar) field.width = sizeof(flatbuffers::uoffset_t);
  }
  // Wide fields first, so that no room is lost; among them the order of generated code.
  std::sort(fields.begin(), fields.end(),
            [](const Field& a, const Field& b) { return a.width != b.width ? a.width > b.width : a.index > b.index; });
  for (const Field& field : fields) {
    if (field.kind == Field::Kind::kBigVector && placeholder_ == 0) {
      builder_.StartVector(0, sizeof(uint64_t));
      placeholder_ = builder_.EndVector(0);
    }
  }
  const Offset start = builder_.StartTable();
  for (const Field& field : fields) {
    const flatbuffers::voffset_t slot =
        flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(field.index));
    if (field.kind != Field::Kind::kScalar) {
      const bool big = field.kind == Field::Kind::kBigVector;
      builder_.AddOffset(slot, flatbuffers::Offset<void>(big ? placeholder_ : static_cast<Offset>(field.value)));
      continue;
    }
    switch (field.width) {
      case 1:
        builder_.AddElement(slot, static_cast<uint8_t>(field.value));
        break;
      case 2:
        builder_.AddElement(slot, static_cast<uint16_t>(field.value));
        break;
      case 4:
        builder_.AddElement(slot, static_cast<uint32_t>(field.value));
        break;
      default:
        builder_.AddElement(slot, field.value);
        break;
    }
  }
  const Offset table = builder_.EndTable(start);
  for (const Field& field : fields) {
    if (field.kind == Field::Kind::kBigVector)
      patches_.push_back({table, field.index, static_cast<size_t>(field.value)});
  }
  return table;
}

Status NetAssembler::CheckSize() const {
  const uint64_t bytes = builder_.GetSize() + (vectors_ == nullptr ? 0 : vectors_->size()) + buffer_.size();
  // The builder grows by doubling, and asserts that it stays in the limit.
  if (bytes < FLATBUFFERS_MAX_BUFFER_SIZE - (uint64_t{64} << 20) &&
      builder_.GetSize() < FLATBUFFERS_MAX_BUFFER_SIZE / 2)
    return {};
  return InvalidInput("the model would be bigger than the 2 GiB of one file");
}

StatusOr<Bytes> NetAssembler::Finish(Offset root) {
  QP_RETURN_IF_ERROR(CheckSize());
  builder_.Finish(flatbuffers::Offset<void>(root));
  uint8_t* const begin = builder_.GetBufferPointer();
  const uint64_t size = builder_.GetSize();
  std::vector<uint64_t> positions;
  uint64_t end = size;
  for (const BigVector& vector : big_) {
    const uint64_t align = std::max<uint64_t>(vector.width, sizeof(flatbuffers::uoffset_t));
    const uint64_t data = (end + sizeof(flatbuffers::uoffset_t) + align - 1) / align * align;
    positions.push_back(data - sizeof(flatbuffers::uoffset_t));
    end = data + vector.bytes;
  }
  for (const Patch& patch : patches_) {
    auto* table = reinterpret_cast<flatbuffers::Table*>(begin + size - patch.table);
    uint8_t* const field =
        table->GetAddressOf(flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(patch.index)));
    const uint64_t target = positions[patch.vector];
    flatbuffers::WriteScalar(field, static_cast<flatbuffers::uoffset_t>(target - static_cast<uint64_t>(field - begin)));
  }

  QP_ASSIGN_OR_RETURN(const Bytes vectors, MapFile(vectors_file_->temporary_path()));
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file, OutputFile::Create(*folder_ / "model", end));
  Appender out(*file);
  QP_RETURN_IF_ERROR(out.Append({begin, size}));
  for (size_t i = 0; i < big_.size(); ++i) {
    out.SkipTo(positions[i]);
    uint8_t count[sizeof(flatbuffers::uoffset_t)];
    flatbuffers::WriteScalar(count, static_cast<flatbuffers::uoffset_t>(big_[i].bytes / big_[i].width));
    QP_RETURN_IF_ERROR(out.Append(count));
    QP_RETURN_IF_ERROR(out.Append({vectors.data + big_[i].begin, big_[i].bytes}));
  }
  return MapFile(file->temporary_path());
}

}  // namespace quantpress::graph
