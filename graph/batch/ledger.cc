#include "graph/batch/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "graph/export/write_all.h"
#include "graph/ir/bytes.h"
#include "graph/json/object_reader.h"

namespace quantpress::graph {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kHeading[] = "{\"quantpress_ledger\":1}\n";

Status NoLedger(const std::string& path) {
  return InvalidInput("'{}' is not a ledger of `quantpress batch`; give another path, or remove it", path);
}

// Nothing for a line that is damaged.
std::optional<LedgerEntry> ParseLine(std::string_view line) {
  const auto node = json::Parse(line, "ledger");
  if (!node.ok()) return std::nullopt;
  Status status;
  LedgerEntry entry;
  json::ObjectReader in(*node, "ledger", "", &status);
  entry.output = in.Text("output");
  entry.key = in.Text("key");
  entry.made_recipe = in.Text("made_recipe");
  if (const json::Node* files = in.Array("files")) {
    for (const json::Node& item : files->items) {
      json::ObjectReader file(item, "ledger", "files", &status);
      entry.files.push_back({file.Text("path"), static_cast<uint64_t>(file.Int("bytes", 0, INT64_MAX)), file.Text("hash")});
    }
  }
  if (!status.ok()) return std::nullopt;
  return entry;
}

Status AppendText(int fd, const std::string& path, std::string_view text) {
  const int error = WriteAll(fd, text);
  return error == 0 ? Status() : SystemError("cannot write ledger '{}': {}", path, std::strerror(error));
}

// `path` and the ledgers of all shards beside it.
std::vector<std::string> Siblings(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> found;
  const fs::path base(path);
  const std::string name = base.filename().string();
  std::error_code error;
  fs::directory_iterator at(base.has_parent_path() ? base.parent_path() : fs::path("."), error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string other = at->path().filename().string();
    const bool shard = other.starts_with(name + ".") && other.find("-of-") != std::string::npos;
    if (other == name || shard) found.push_back(at->path().string());
  }
  return found;
}

}  // namespace

// A line that a power failure loses only means that a model is converted again; a killed process loses none.
Ledger::~Ledger() {
  (void)fdatasync(fd_);
  close(fd_);
}

Status Ledger::Read(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  std::string_view text(reinterpret_cast<const char*>(file.data), static_cast<size_t>(file.size));
  if (text.empty()) return {};
  if (!text.starts_with(kHeading)) return NoLedger(path);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (end == std::string_view::npos) break;  // cut off
    if (auto entry = ParseLine(line)) entries_.emplace(entry->output, *entry);
  }
  return {};
}

StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& path, const std::string& siblings, bool resume) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return SystemError("cannot write ledger '{}': {}", path, std::strerror(errno));
  std::unique_ptr<Ledger> ledger(new Ledger(path, fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return SystemError("another batch writes ledger '{}'; wait for it, or give another --ledger", path);
  }
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return NoLedger(path);
  char first[sizeof kHeading - 1] = {}, last = '\n';
  if (info.st_size > 0) {
    const ssize_t n = pread(fd, first, sizeof first, 0);
    if (n != static_cast<ssize_t>(sizeof first) || std::memcmp(first, kHeading, sizeof first) != 0) {
      // A heading that was cut off is as good as an empty file.
      if (n < 0 || std::memcmp(first, kHeading, static_cast<size_t>(n)) != 0) return NoLedger(path);
      info.st_size = 0;
    } else if (pread(fd, &last, 1, info.st_size - 1) != 1) {
      return SystemError("cannot read ledger '{}': {}", path, std::strerror(errno));
    }
  }
  if (!resume || info.st_size == 0) {
    if (ftruncate(fd, 0) != 0) return SystemError("cannot write ledger '{}': {}", path, std::strerror(errno));
    QP_RETURN_IF_ERROR(AppendText(fd, path, kHeading));
  } else if (last != '\n') {
    QP_RETURN_IF_ERROR(AppendText(fd, path, "\n"));
  }
  if (resume) {
    for (const std::string& other : Siblings(siblings)) QP_RETURN_IF_ERROR(ledger->Read(other));
  }
  return ledger;
}

std::vector<const LedgerEntry*> Ledger::Find(const std::string& output) const {
  std::vector<const LedgerEntry*> found;
  const auto [begin, end] = entries_.equal_range(output);
  for (auto at = begin; at != end; ++at) found.push_back(&at->second);
  return found;
}

Status Ledger::Append(const LedgerEntry& entry) {
  Json json = {{"output", entry.output}, {"key", entry.key}, {"made_recipe", entry.made_recipe}};
  json["files"] = Json::array();
  for (const LedgerFile& file : entry.files) json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}, {"hash", file.hash}});
  std::string line;
  try {
    line = json.dump() + "\n";
  } catch (const std::exception&) {
    return InvalidInput("the ledger cannot hold path '{}': it is no UTF-8", entry.output);
  }
  const std::lock_guard lock(mutex_);
  return AppendText(fd_, path_, line);
}

}  // namespace quantpress::graph
