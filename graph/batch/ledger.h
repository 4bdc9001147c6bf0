// What a batch has finished, in a file that survives a killed process: one line of JSON per model, appended when the model
// is in place.
#ifndef QUANTPRESS_GRAPH_BATCH_LEDGER_H_
#define QUANTPRESS_GRAPH_BATCH_LEDGER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::graph {

struct LedgerFile {
  std::string path;
  uint64_t bytes = 0;
  std::string hash;  // ir/content_hash.h
};

struct LedgerEntry {
  std::string output;       // path of the model
  std::string key;          // hash of everything that decides what the output holds
  std::string made_recipe;  // hash of the recipe that the conversion made; empty: none
  std::vector<LedgerFile> files;
};

class Ledger {
 public:
  // Opens the file for appending and makes it where there is none. With `resume` its entries are read, and those of files beside it that
  // other shards wrote: `siblings` is the path without the shard; without it the file starts anew. A line that a killed process left
  // unfinished is passed over. Errors: the file is no ledger, or cannot be written.
  static StatusOr<std::unique_ptr<Ledger>> Open(const std::string& path, const std::string& siblings, bool resume);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Entries of an output that were read by Open.
  std::vector<const LedgerEntry*> Find(const std::string& output) const;

  // From any thread.
  Status Append(const LedgerEntry& entry);

 private:
  Ledger(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status Read(const std::string& path);

  const std::string path_;
  const int fd_;
  std::mutex mutex_;
  std::multimap<std::string, LedgerEntry> entries_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BATCH_LEDGER_H_
