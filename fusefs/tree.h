// A directory tree of a mount, made from manifests: immutable, shared, replaced whole.
//
// Nodes hold no bytes of their own: a file is a blob of the store or a small generated text. Two
// kinds of node differ in what may be cached:
//   kFixed        its id derives from its path and all of its content, so it never changes. The
//   same
//                 content gives the same id in the next tree, after a remount, in another process.
//   kFollowsRefs  a directory above the models; its id derives from its path alone and what it
//   lists
//                 changes with the refs.
// A directory's children may be made on first use: that is how a mount of 200 models parses no
// manifest.
//
// Thread rule: a Node and a Tree are safe from any thread once built. Expanding takes no lock: two
// threads may do the work twice, one result is published.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "fusefs/file_content.h"
#include "fusefs/node_id.h"

namespace castool::fusefs {

// Linux has no longer names, and one in a listing corrupted kernel memory (CVE-2026-31694).
inline constexpr std::size_t kMaxNameBytes = 255;

// What the xattrs of a model's directory say.
struct ModelInfo {
  std::shared_ptr<const BlobHome> home;
  bool servable = false;  // by OVMS, so config.json lists it unless it is damaged
};

class Node;
using NodePtr = std::shared_ptr<const Node>;
using Children = std::vector<NodePtr>;  // in byte order of their names, no name twice

enum class Lifetime { kFixed, kFollowsRefs };

class Node {
 public:
  struct Common {
    Ino ino = 0;
    Ino parent = 0;
    std::string name;
    std::int64_t mtime = 0;  // seconds since the epoch
  };
  // Makes the children on first use. Must give the same answer each time; may fail and be asked
  // again.
  using Expand = std::function<base::Result<Children>()>;

  [[nodiscard]] static NodePtr file(Common common, FileContent content, std::uint64_t size,
                                    Access access = Access::kRead);
  [[nodiscard]] static NodePtr directory(Common common, Lifetime lifetime, Children children);
  [[nodiscard]] static NodePtr lazy_directory(Common common, Lifetime lifetime, Expand expand,
                                              std::shared_ptr<const ModelInfo> model = nullptr);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] Ino ino() const { return common_.ino; }
  [[nodiscard]] Ino parent() const { return common_.parent; }
  [[nodiscard]] const std::string& name() const { return common_.name; }
  [[nodiscard]] std::int64_t mtime() const { return common_.mtime; }
  [[nodiscard]] bool is_directory() const { return directory_; }
  [[nodiscard]] Lifetime lifetime() const { return lifetime_; }
  [[nodiscard]] const FileContent& content() const { return content_; }  // of a file
  [[nodiscard]] std::uint64_t size() const { return size_; }             // of a file
  [[nodiscard]] Access access() const { return access_; }                // of a file
  [[nodiscard]] bool rewritable() const {
    return !directory_ && std::holds_alternative<RewritableText>(content_);
  }
  // The target of a symbolic link, or null.
  [[nodiscard]] const std::string* link() const {
    const auto* link = directory_ ? nullptr : std::get_if<LinkContent>(&content_);
    return link == nullptr ? nullptr : link->target.get();
  }
  [[nodiscard]] const ModelInfo* model() const { return model_.get(); }  // of a model's directory

  // A directory whose children are made on first use.
  [[nodiscard]] bool made_on_use() const { return static_cast<bool>(expand_); }
  // Of a directory; valid as long as the node. Fails only where the children have to be made.
  [[nodiscard]] base::Result<const Children*> children() const;
  // The same without making them: null when nobody has asked for them yet.
  [[nodiscard]] const Children* made_children() const;
  // The child of that name, or null.
  [[nodiscard]] base::Result<NodePtr> child(std::string_view name) const;

 private:
  explicit Node(Common common) : common_(std::move(common)) {}

  Common common_;
  bool directory_ = false;
  Lifetime lifetime_ = Lifetime::kFixed;
  std::uint64_t size_ = 0;
  FileContent content_;
  Access access_ = Access::kRead;
  std::shared_ptr<const ModelInfo> model_;
  Expand expand_;
  // Owned; null until made. A raw pointer because it is published with one compare-exchange.
  mutable std::atomic<const Children*> children_{nullptr};
};

// Names for nodes. An id is 60 bits of sha256 over what the node is, never 0 or the root's, and a
// collision within one maker is hashed again.
class InoMaker {
 public:
  explicit InoMaker(std::string_view layout) : layout_(layout) {}
  // `what` tells apart everything that may stand at `path`: a digest, a key of a model, or "dir".
  [[nodiscard]] Ino make(std::string_view path, std::string_view what);

 private:
  std::string layout_;
  std::unordered_set<Ino> taken_;
};

class Tree {
 public:
  explicit Tree(NodePtr root);
  [[nodiscard]] const NodePtr& root() const { return root_; }
  // The directory of that id, if it is one that follows the refs and is in this tree.
  [[nodiscard]] NodePtr following(Ino ino) const;
  // The node at "a/b/c", "" being the root; null when there is none. Expands what it walks through.
  [[nodiscard]] base::Result<NodePtr> find(std::string_view path) const;

 private:
  NodePtr root_;
  std::unordered_map<Ino, NodePtr> following_;
};
using TreePtr = std::shared_ptr<const Tree>;

// Builds what is above the models: leaves at paths, and the directories that they need.
class TreeBuilder {
 public:
  TreeBuilder(std::string_view layout, std::int64_t mtime) : inos_(layout), mtime_(mtime) {}

  // `make` gets the id of the leaf's directory. No path may be a prefix of another; each is checked
  // by the caller (placement.h).
  using MakeLeaf = std::function<NodePtr(Ino parent, std::string name)>;
  void add(const std::string& path, MakeLeaf make);
  // A directory that is there even when nothing is in it.
  void add_directory(const std::string& path);
  [[nodiscard]] TreePtr build();

 private:
  struct Level {
    std::map<std::string, Level> directories;
    std::map<std::string, MakeLeaf> leaves;
  };
  [[nodiscard]] Level& level_at(std::string_view path);
  [[nodiscard]] NodePtr build_level(const Level& level, const std::string& path, std::string name,
                                    Ino ino, Ino parent);

  InoMaker inos_;
  std::int64_t mtime_;
  Level top_;
};

// One file somewhere below a fixed directory.
struct FlatFile {
  std::string path;  // relative
  FileContent content;
  std::uint64_t size = 0;
  Access access = Access::kRead;
};

// The children of a fixed directory from all files below it. `at` is the directory's path in the
// layout and `key` what its id was made of: directories below are told apart by both, files by path
// and content, so that a file that did not change keeps its id (and its cached pages) across
// revisions.
struct FixedPlace {
  std::string layout;
  std::string at;
  std::string key;
  Ino ino = 0;
  std::int64_t mtime = 0;
};
[[nodiscard]] base::Result<Children> fixed_children(const FixedPlace& place,
                                                    std::vector<FlatFile> files);

}  // namespace castool::fusefs
