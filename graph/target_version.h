// The oldest runtime that must be able to read a model (--targetVersion).
#ifndef QUANTPRESS_GRAPH_TARGET_VERSION_H_
#define QUANTPRESS_GRAPH_TARGET_VERSION_H_

#include <string>
#include <string_view>

#include "dispatch/plan.h"
#include "graph/convert.h"

namespace quantpress::graph {

// Releases from which on the runtime knows something that passes may use. Attention: the one whose packages for PCs
// have kernels for it.
inline constexpr TargetVersion kHardSwishVersion = {1, 2, 0};
inline constexpr TargetVersion kSiluVersion = {3, 1, 0};
inline constexpr TargetVersion kAttentionVersion = {3, 4, 0};

// "3.6.1", "3.6" (the first release of 3.6), "1.2f" (as the stock tool's help writes it), "3". Error: another text.
StatusOr<TargetVersion> ParseTargetVersion(std::string_view text);

// "3.6.1"
std::string TargetText(const TargetVersion& version);

// Errors: operators, element types or codings of weights that came later than `target`; all of them in one message,
// with what to do. `external`: weights go to an external file.
Status CheckTarget(const TargetVersion& target, const Model& model, const dispatch::Plan& plan, bool external);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_TARGET_VERSION_H_
