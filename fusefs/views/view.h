// From the refs of a namespace to the tree that a mount shows.
//
// A view is a pure function of the records and of what the manifests say; manifests are read
// through ManifestSource, and only when a directory that needs one is first looked into (or, for a
// Hub model whose record names no task, when config.json has to say whether OVMS could serve it).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "fusefs/tree.h"
#include "fusefs/views/placement.h"
#include "manifest/gguf.h"
#include "manifest/ref_record.h"

namespace castool::fusefs {

// Where manifests come from. Safe from any thread; outlives every tree made with it.
class ManifestSource {
 public:
  virtual ~ManifestSource() = default;
  // The manifest's exact bytes, checked against the digest.
  [[nodiscard]] virtual base::Result<std::string> load(const base::Digest& digest,
                                                       std::uint64_t limit) const = 0;
  [[nodiscard]] virtual base::Result<std::uint64_t> size(const base::Digest& digest) const = 0;
  // What that GGUF says about itself; kNotFound while it is not in the store, or its home may not
  // read it.
  [[nodiscard]] virtual base::Result<manifest::GgufMetadata> gguf(
      const BlobContent& wanted) const = 0;
};

// Whether config.json lists models that came because they were looked for.
enum class OnDemandListed { kNo, kYes };

struct ViewInput {
  std::span<const manifest::RefRecord> records;
  // The tree shown before, or null: what did not change is taken from it with all that was made.
  const Tree* previous = nullptr;
  std::shared_ptr<const ManifestSource> manifests;
  OnDemandListed on_demand = OnDemandListed::kNo;
};

struct View {
  TreePtr tree;
  // Refs whose manifest could not be read while the tree was made, one line each, for the log.
  std::vector<std::string> problems;
};

[[nodiscard]] View make_view(Layout layout, const ViewInput& input);

// Where the leaves of one layout go: at the top, or below a directory.
struct ViewPart {
  TreeBuilder& builder;
  std::string prefix;   // "" or "ovms/"
  std::int64_t newest;  // when something was pulled last
  std::vector<std::string>& problems;
};
// One layout each (ovms_view.cc, ollama_view.cc, hf_view.cc).
void add_ovms_view(const ViewInput& input, const ViewPart& part);
void add_ollama_view(const ViewInput& input, const ViewPart& part);
void add_hf_view(const ViewInput& input, const ViewPart& part);

}  // namespace castool::fusefs
