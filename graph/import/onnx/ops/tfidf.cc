// TfIdfVectorizer: counts of known n-grams of integers, all compared with all positions at once.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "graph/build/expr.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

constexpr int64_t kMaxGrams = int64_t{1} << 20;

struct Gram {
  std::vector<int64_t> tokens;
  int64_t column;  // of the output
  size_t place;    // in the pool, which is where its weight stands
};

struct Pool {
  std::vector<std::vector<Gram>> by_length;  // [length - 1]
  int64_t columns = 0;
  size_t size = 0;  // n-grams, whether used or not
};

std::optional<Pool> ReadPool(NodeContext& n, int64_t shortest, int64_t longest) {
  const std::vector<int64_t> counts = n.Ints("ngram_counts"), columns = n.Ints("ngram_indexes"), tokens = n.Ints("pool_int64s");
  if (n.Has("pool_strings")) n.Fail("pool_strings; the runtime has no strings");
  if (!n.ok()) return std::nullopt;
  Pool pool;
  const auto total = static_cast<int64_t>(tokens.size());
  size_t next = 0;
  for (size_t k = 0; k < counts.size(); ++k) {
    const int64_t begin = counts[k], end = k + 1 < counts.size() ? counts[k + 1] : total, length = static_cast<int64_t>(k) + 1;
    if (begin < 0 || end < begin || end > total || (end - begin) % length != 0) {
      n.Fail("ngram_counts and pool_int64s do not fit: {}-grams from {} to {} of {} tokens", length, begin, end, total);
      return std::nullopt;
    }
    // Of two equal n-grams the last one counts.
    std::map<std::vector<int64_t>, size_t> grams;
    for (int64_t at = begin; at < end; at += length, ++next) {
      if (next >= columns.size() || columns[next] < 0 || columns[next] >= kMaxGrams) {
        n.Fail("ngram_indexes has {} entries from 0 on; n-gram {} needs one", columns.size(), next);
        return std::nullopt;
      }
      if (length >= shortest && length <= longest) grams[{tokens.begin() + at, tokens.begin() + at + length}] = next;
    }
    pool.by_length.emplace_back();
    for (const auto& [gram, place] : grams) pool.by_length.back().push_back({gram, columns[place], place});
  }
  for (int64_t column : columns) {
    if (column < 0 || column >= kMaxGrams) n.Fail("an n-gram index of {}", column);
    pool.columns = std::max(pool.columns, column + 1);
  }
  if (pool.columns == 0) n.Fail("no n-grams");
  pool.size = columns.size();
  for (int64_t token : tokens) {
    if (token != static_cast<int32_t>(token)) n.Fail("token {}; the runtime has 32-bit integers", token);
  }
  return n.ok() ? std::optional(pool) : std::nullopt;
}

// Columns [B, grams], in the order of `from`, put where they belong: [B, columns].
Value Place(GraphBuilder& b, Value counts, const std::vector<int64_t>& from, int64_t columns) {
  const auto grams = static_cast<int64_t>(from.size());
  std::vector<int64_t> order(static_cast<size_t>(columns), grams);  // where nothing belongs: the zero behind the last
  for (size_t i = 0; i < from.size(); ++i) order[static_cast<size_t>(from[i])] = static_cast<int64_t>(i);
  return b.Gather(b.Pad(counts, {0, 0, 0, 1}, mnn::PadValueMode::CONSTANT), b.IntList(order), 1);
}

void TfIdfVectorizer(NodeContext& n) {
  GraphBuilder& b = n.b;
  Value x = n.Input(0);
  const int64_t longest = n.Int("max_gram_length", 1), shortest = n.Int("min_gram_length", 1), skips = n.Int("max_skip_count", 0);
  const std::string mode = n.String("mode", "TF");
  const std::vector<float> weights = n.Floats("weights");
  const size_t rank = b.Rank(x);
  if (!n.ok()) return;
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") return n.Fail("mode '{}'; expected TF, IDF or TFIDF", mode);
  if (rank > 2) return n.Fail("a tensor of shape {}; expected [C] or [N, C]", ShapeText(b.shape(x)));
  if (shortest < 1 || longest < shortest || longest > 64 || skips < 0 || skips > 4096 || longest * longest * (skips + 1) > 1 << 14) {
    return n.Fail("n-grams of {} to {} tokens with up to {} skipped", shortest, longest, skips);
  }
  const auto pool = ReadPool(n, shortest, longest);
  if (!pool) return;
  if (mode != "TF" && !weights.empty() && weights.size() != pool->size) {
    return n.Fail("{} weights for {} n-grams", weights.size(), pool->size);
  }
  // The row is continued with a number that no n-gram has, so that every n-gram can start everywhere.
  std::set<int64_t> used;
  for (const auto& grams : pool->by_length) {
    for (const Gram& gram : grams) used.insert(gram.tokens.begin(), gram.tokens.end());
  }
  int64_t filler = -1;
  while (used.contains(filler)) --filler;
  const int64_t margin = (longest - 1) * (skips + 1);
  x = b.Cast(rank == 2 ? x : b.ReshapeTo(x, {1, -1}), ElementType::kInt32);
  if (margin > 0) x = b.Pad(x, {0, 0, 0, margin}, mnn::PadValueMode::CONSTANT, b.ScalarInt(filler, ElementType::kInt32));
  std::vector<Value> parts;
  std::vector<int64_t> from;
  std::vector<float> factors(static_cast<size_t>(pool->columns), 0.0f);
  for (size_t k = 0; k < pool->by_length.size(); ++k) {
    const std::vector<Gram>& grams = pool->by_length[k];
    const auto length = static_cast<int64_t>(k) + 1, count = static_cast<int64_t>(grams.size());
    if (grams.empty()) continue;
    for (const Gram& gram : grams) {
      from.push_back(gram.column);
      if (mode != "TF" && !weights.empty()) factors[static_cast<size_t>(gram.column)] = weights[gram.place];
    }
    Value sum;
    // Skips do not change single tokens.
    for (int64_t distance = 1; distance <= (length == 1 ? 1 : skips + 1); ++distance) {
      Value hit;
      for (int64_t j = 0; j < length; ++j) {
        const int64_t start = j * distance, cut = margin - start;
        const Value tokens = margin == 0 ? x : b.Slice(x, {start}, {cut == 0 ? int64_t{1} << 30 : -cut}, {1});  // [B, C]
        std::vector<int64_t> wanted;
        for (const Gram& gram : grams) wanted.push_back(gram.tokens[static_cast<size_t>(j)]);
        const Value same = b.Equal(b.Unsqueeze(tokens, {2}), b.Ints(std::move(wanted), {count}, ElementType::kInt32));
        hit = hit.valid() ? b.LogicalAnd(hit, same) : same;
      }
      const Value found = b.Reduce(mnn::ReductionType::SUM, b.Cast(hit, ElementType::kFloat32), {1}, false);  // [B, count]
      sum = sum.valid() ? b.Add(sum, found) : found;
    }
    parts.push_back(sum);
  }
  if (std::set<int64_t>(from.begin(), from.end()).size() != from.size()) return n.Fail("two n-grams with one index");
  if (parts.empty()) return n.Fail("no n-grams of {} to {} tokens", shortest, longest);
  Value y = Place(b, b.Concat(std::move(parts), 1), from, pool->columns);
  if (mode == "IDF") y = Indicator(Expr{&b, y} > 0.0);
  if (mode != "TF" && !weights.empty()) y = b.Mul(y, b.Floats(factors, {pool->columns}));
  n.SetOutput(0, rank == 2 ? y : b.ReshapeTo(y, {pool->columns}));
}

constexpr OpRow kRows[] = {
    {"", "TfIdfVectorizer", 9, kNewest, TfIdfVectorizer, "of integers; every n-gram has a column of its own"},
};

}  // namespace

std::span<const OpRow> TextOps() { return kRows; }

}  // namespace quantpress::graph::onnx
