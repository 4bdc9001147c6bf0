// What readers of JSON that get the events of nlohmann's parser have in common: where it is, and what they say about
// errors.
#ifndef QUANTPRESS_GRAPH_JSON_PARSE_EVENTS_H_
#define QUANTPRESS_GRAPH_JSON_PARSE_EVENTS_H_

#include <cstddef>
#include <exception>
#include <iterator>
#include <string>

namespace quantpress::graph::json {

// Tells all its copies how far the parser has read: events of the parser carry no position.
class CountingIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// Text as a message shows it: not longer than a line, no broken UTF-8.
std::string Cut(std::string text);

// Message for an exception of the parser, without its own idea of the position.
std::string NotJson(const std::exception& error);

}  // namespace quantpress::graph::json

#endif  // QUANTPRESS_GRAPH_JSON_PARSE_EVENTS_H_
