#include "fusefs/tree.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/hasher.h"

namespace castool::fusefs {
namespace {

bool name_less(const NodePtr& a, const NodePtr& b) { return a->name() < b->name(); }

std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

void collect_following(const NodePtr& node, std::unordered_map<Ino, NodePtr>& into) {
  into.emplace(node->ino(), node);
  if (node->made_on_use()) return;
  const auto children = node->children();
  if (!children) return;
  for (const NodePtr& child : **children) {
    if (child->is_directory() && child->lifetime() == Lifetime::kFollowsRefs)
      collect_following(child, into);
  }
}

base::Error bad_name(std::string_view path) {
  return base::make_error(base::Code::kBadManifest, fmt::format("no name for a file: '{}'", path));
}

}  // namespace

const base::Digest& digest_of(const FileContent& content) {
  if (const auto* blob = std::get_if<BlobContent>(&content)) return blob->digest;
  if (const auto* text = std::get_if<TextContent>(&content)) return text->digest;
  if (const auto* link = std::get_if<LinkContent>(&content)) return link->digest;
  return std::get<RewritableText>(content).digest;
}

FileContent make_text(std::string text) {
  const base::Digest digest = base::Sha256::of(std::string_view(text));
  return TextContent{std::make_shared<const std::string>(std::move(text)), digest};
}

FileContent make_link(std::string target) {
  const base::Digest digest = base::Sha256::of(std::string_view(target));
  return LinkContent{std::make_shared<const std::string>(std::move(target)), digest};
}

FileContent make_rewritable(std::string place, std::optional<std::string> text) {
  const base::Digest digest = base::Sha256::of(std::string_view(text ? *text : ""));
  auto shared = text ? std::make_shared<const std::string>(*std::move(text)) : nullptr;
  return RewritableText{std::move(place), std::move(shared), digest};
}

NodePtr Node::file(Common common, FileContent content, std::uint64_t size, Access access) {
  std::shared_ptr<Node> node(new Node(std::move(common)));
  node->access_ = access;
  node->content_ = std::move(content);
  node->size_ = size;
  return node;
}

NodePtr Node::directory(Common common, Lifetime lifetime, Children children) {
  std::shared_ptr<Node> node(new Node(std::move(common)));
  node->directory_ = true;
  node->lifetime_ = lifetime;
  std::sort(children.begin(), children.end(), name_less);
  node->children_.store(new Children(std::move(children)), std::memory_order_release);
  return node;
}

NodePtr Node::lazy_directory(Common common, Lifetime lifetime, Expand expand,
                             std::shared_ptr<const ModelInfo> model) {
  std::shared_ptr<Node> node(new Node(std::move(common)));
  node->directory_ = true;
  node->lifetime_ = lifetime;
  node->expand_ = std::move(expand);
  node->model_ = std::move(model);
  return node;
}

Node::~Node() { delete children_.load(std::memory_order_acquire); }

base::Result<const Children*> Node::children() const {
  if (const Children* made = children_.load(std::memory_order_acquire)) return made;
  CASTOOL_ASSIGN(Children fresh, expand_());
  std::sort(fresh.begin(), fresh.end(), name_less);
  auto candidate = std::make_unique<const Children>(std::move(fresh));
  const Children* expected = nullptr;
  if (children_.compare_exchange_strong(expected, candidate.get(), std::memory_order_acq_rel))
    return candidate.release();
  return expected;
}

const Children* Node::made_children() const { return children_.load(std::memory_order_acquire); }

base::Result<NodePtr> Node::child(std::string_view name) const {
  CASTOOL_ASSIGN(const Children* all, children());
  const auto at = std::lower_bound(
      all->begin(), all->end(), name,
      [](const NodePtr& node, std::string_view wanted) { return node->name() < wanted; });
  if (at == all->end() || (*at)->name() != name) return NodePtr();
  return *at;
}

Ino InoMaker::make(std::string_view path, std::string_view what) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    base::Sha256 hash;
    // NUL cannot be in any part, so no two triples make the same text.
    hash.update(
        fmt::format("castool node{0}{1}{0}{2}{0}{3}{0}{4}", '\0', layout_, path, what, attempt));
    const base::Digest digest = hash.finish();
    Ino ino = 0;
    for (std::size_t i = 0; i < sizeof ino; ++i) ino = ino << 8 | digest.bytes()[i];
    ino >>= 64 - kVariantShift;
    if (ino > kRootIno && taken_.insert(ino).second) return ino;
  }
}

Tree::Tree(NodePtr root) : root_(std::move(root)) { collect_following(root_, following_); }

NodePtr Tree::following(Ino ino) const {
  const auto found = following_.find(ino);
  return found == following_.end() ? nullptr : found->second;
}

base::Result<NodePtr> Tree::find(std::string_view path) const {
  NodePtr node = root_;
  while (node && !path.empty()) {
    if (!node->is_directory()) return NodePtr();
    const std::size_t slash = path.find('/');
    CASTOOL_ASSIGN(node, node->child(path.substr(0, slash)));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return node;
}

// The level that is made of the directories of `path`, the last of which need not be there yet.
TreeBuilder::Level& TreeBuilder::level_at(std::string_view path) {
  Level* level = &top_;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    level = &level->directories[std::string(path.substr(0, slash))];
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return *level;
}

void TreeBuilder::add_directory(const std::string& path) { static_cast<void>(level_at(path)); }

void TreeBuilder::add(const std::string& path, MakeLeaf make) {
  const std::size_t slash = path.rfind('/');
  const bool top = slash == std::string::npos;
  Level& level = top ? top_ : level_at(std::string_view(path).substr(0, slash));
  level.leaves[top ? path : path.substr(slash + 1)] = std::move(make);
}

TreePtr TreeBuilder::build() {
  return std::make_shared<const Tree>(build_level(top_, "", "", kRootIno, kRootIno));
}

NodePtr TreeBuilder::build_level(const Level& level, const std::string& path, std::string name,
                                 Ino ino, Ino parent) {
  Children children;
  for (const auto& [child_name, child] : level.directories) {
    const std::string child_path = join(path, child_name);
    children.push_back(
        build_level(child, child_path, child_name, inos_.make(child_path, "dir"), ino));
  }
  for (const auto& [child_name, make] : level.leaves) children.push_back(make(ino, child_name));
  return Node::directory({ino, parent, std::move(name), mtime_}, Lifetime::kFollowsRefs,
                         std::move(children));
}

namespace {

// Builds one level of a fixed directory from files in path order, [first, last), all of which begin
// with the same `prefix` bytes.
class FixedBuilder {
 public:
  explicit FixedBuilder(const FixedPlace& place) : place_(place), inos_(place.layout) {}

  base::Result<Children> level(const std::vector<FlatFile>& files, std::size_t first,
                               std::size_t last, std::size_t prefix, Ino parent) {
    Children children;
    while (first < last) {
      const std::string& path = files[first].path;
      const std::size_t slash = path.find('/', prefix);
      const std::string name =
          path.substr(prefix, slash == std::string::npos ? slash : slash - prefix);
      if (!valid_name(name)) return bad_name(path);
      if (!children.empty() && children.back()->name() == name) return bad_name(path);
      const std::string full = join(place_.at, path.substr(0, slash));
      if (slash == std::string::npos) {
        const FlatFile& file = files[first++];
        const Ino ino = inos_.make(full, digest_of(file.content).hex());
        children.push_back(
            Node::file({ino, parent, name, place_.mtime}, file.content, file.size, file.access));
        continue;
      }
      const std::size_t begin = first;
      const std::string_view head = std::string_view(path).substr(0, slash + 1);
      while (first < last && std::string_view(files[first].path).substr(0, slash + 1) == head)
        ++first;
      const Ino ino = inos_.make(full, "dir " + place_.key);
      CASTOOL_ASSIGN(Children below, level(files, begin, first, slash + 1, ino));
      children.push_back(
          Node::directory({ino, parent, name, place_.mtime}, Lifetime::kFixed, std::move(below)));
    }
    return children;
  }

 private:
  const FixedPlace& place_;
  InoMaker inos_;
};

}  // namespace

base::Result<Children> fixed_children(const FixedPlace& place, std::vector<FlatFile> files) {
  // '/' sorts first, so that the files of a directory are neighbours and a file that is also a
  // directory stands right before it.
  std::sort(files.begin(), files.end(), [](const FlatFile& a, const FlatFile& b) {
    return std::lexicographical_compare(
        a.path.begin(), a.path.end(), b.path.begin(), b.path.end(), [](char x, char y) {
          const auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); };
          return rank(x) < rank(y);
        });
  });
  return FixedBuilder(place).level(files, 0, files.size(), 0, place.ino);
}

}  // namespace castool::fusefs
