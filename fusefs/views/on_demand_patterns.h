// Which paths of a mount stand for models that may be asked for at their origin (--on-demand).
//
// A pattern has the parts of a path of the ovms layout, where '*' and '?' do not cross '/':
//   ORG/NAME                     a repository of the Hub
//   [[HOST/]NS/]MODEL:TAG        a model of an Ollama registry; without HOST and NS of the default
//                                ones
// Pure; a value; safe from any thread.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "fusefs/views/placement.h"
#include "manifest/source.h"

namespace castool::fusefs {

// A directory above models: it answers look-ups of what may be in it, and lists nothing.
struct OnDemandParent {};
// Nothing of a pattern; a directory above models; a model.
using OnDemandMatch = std::variant<std::monostate, OnDemandParent, manifest::Source>;

class OnDemandPatterns {
 public:
  // kUsage for a text that is no pattern.
  [[nodiscard]] static base::Result<OnDemandPatterns> parse(std::span<const std::string> texts);

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  // The hosts that are named in full, without '*' or '?'.
  [[nodiscard]] std::set<std::string> hosts() const;
  // What `path`, relative to the mount, may be. Names that servers and shells try by themselves
  // (hidden and all-digit ones, *.json, *.pbtxt, *.xml, *.bin, *.gguf) are nothing.
  [[nodiscard]] OnDemandMatch match(std::string_view path, Layout layout) const;

 private:
  struct Pattern {
    std::vector<std::string> ovms;    // its parts as a path of either layout
    std::vector<std::string> ollama;  // empty: a repository of the Hub
  };

  std::vector<Pattern> patterns_;
};

}  // namespace castool::fusefs
