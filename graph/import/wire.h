// protozero, set up so that a field of another wire type than its number should have is an exception. Include it only here: its inline
// functions must be the same in all of the program.
#ifndef QUANTPRESS_GRAPH_IMPORT_WIRE_H_
#define QUANTPRESS_GRAPH_IMPORT_WIRE_H_

#include <exception>
#include <stdexcept>

#define protozero_assert(x) ((x) ? static_cast<void>(0) : throw std::runtime_error("a field of the wrong type"))
#include <protozero/pbf_reader.hpp>

#endif  // QUANTPRESS_GRAPH_IMPORT_WIRE_H_
