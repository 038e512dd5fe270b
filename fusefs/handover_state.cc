#include "fusefs/handover_state.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "fusefs/blob_filler.h"
#include "fusefs/byte_coding.h"

namespace castool::fusefs {
namespace {

enum class Kind : std::uint8_t { kBlob, kText, kDirectory, kRewritable, kLink };

// A kind of content that is added needs a kind of node here.
static_assert(std::variant_size_v<FileContent> == 4);

void put_home(ByteWriter& out, const BlobHome& home) {
  for (const std::string* text : {&home.name, &home.source, &home.origin, &home.revision})
    out.text(*text);
  out.number(static_cast<std::uint8_t>(home.kind));
  out.text(home.manifest.text());
  out.number<std::uint8_t>(home.complete);
}

class NodeTable {
 public:
  // The node's place; what it needs comes before it.
  std::uint64_t add(const NodePtr& node) {
    if (const auto found = places_.find(node.get()); found != places_.end()) return found->second;
    std::vector<std::uint64_t> children;
    const Children* made = node->is_directory() ? node->made_children() : nullptr;
    if (made != nullptr && goes_along(*node)) {
      for (const NodePtr& child : *made) children.push_back(add(child));
    }
    put(*node, made != nullptr, children);
    const std::uint64_t place = places_.size();
    places_.emplace(node.get(), place);
    return place;
  }
  // Of the directories above the models only those that are being listed go along with what is in
  // them. To be called before the first add().
  void note_listed(const NodePtr& directory) { listed_.insert(directory.get()); }
  [[nodiscard]] std::uint64_t size() const { return places_.size(); }
  [[nodiscard]] std::string take() { return out_.take(); }

 private:
  [[nodiscard]] bool goes_along(const Node& directory) const {
    return directory.lifetime() == Lifetime::kFixed || listed_.contains(&directory);
  }

  void put(const Node& node, bool made, const std::vector<std::uint64_t>& children) {
    out_.number(node.ino());
    out_.number(node.parent());
    out_.text(node.name());
    out_.number(node.mtime());
    if (node.is_directory()) return put_directory(node, made, children);
    if (const auto* text = std::get_if<TextContent>(&node.content())) {
      out_.number(static_cast<std::uint8_t>(Kind::kText));
      out_.text(*text->text);
      return;
    }
    if (const std::string* target = node.link()) {
      out_.number(static_cast<std::uint8_t>(Kind::kLink));
      out_.text(*target);
      return;
    }
    if (const auto* graph = std::get_if<RewritableText>(&node.content())) {
      out_.number(static_cast<std::uint8_t>(Kind::kRewritable));
      out_.text(graph->place);
      out_.number<std::uint8_t>(graph->text != nullptr);
      if (graph->text) out_.text(*graph->text);
      return;
    }
    const auto& blob = std::get<BlobContent>(node.content());
    out_.number(static_cast<std::uint8_t>(Kind::kBlob));
    out_.text(blob.digest.text());
    out_.number(node.size());
    out_.number<std::uint8_t>(node.access() == Access::kReadOrMapWritable);
    out_.number<std::uint8_t>(blob.home != nullptr);
    if (blob.home) put_home(out_, *blob.home);
  }

  void put_directory(const Node& node, bool made, const std::vector<std::uint64_t>& children) {
    out_.number(static_cast<std::uint8_t>(Kind::kDirectory));
    out_.number<std::uint8_t>(node.lifetime() == Lifetime::kFollowsRefs);
    const ModelInfo* model = node.model();
    out_.number<std::uint8_t>(model != nullptr);
    if (model != nullptr) {
      put_home(out_, *model->home);
      out_.number<std::uint8_t>(model->servable);
    }
    out_.number<std::uint8_t>(made);
    if (!made) return;
    out_.number<std::uint64_t>(children.size());
    for (const std::uint64_t child : children) out_.number(child);
  }

  ByteWriter out_;
  std::unordered_set<const Node*> listed_;
  std::unordered_map<const Node*, std::uint64_t> places_;
};

base::Digest take_digest(ByteReader& in) {
  const auto digest = base::Digest::parse(in.text());
  if (!digest) in.fail();
  return digest.value_or(base::Digest());
}

std::shared_ptr<const BlobHome> take_home(ByteReader& in) {
  BlobHome home;
  for (std::string* text : {&home.name, &home.source, &home.origin, &home.revision})
    *text = in.text();
  home.kind = static_cast<manifest::ModelKind>(in.number<std::uint8_t>());
  home.manifest = take_digest(in);
  home.complete = in.number<std::uint8_t>() != 0;
  return std::make_shared<const BlobHome>(std::move(home));
}

// A directory whose children nobody has asked for is made by the view it is in, or not at all.
NodePtr unopened(const Node::Common& common, std::shared_ptr<const ModelInfo> model,
                 const Tree& tree) {
  if (const NodePtr parent = tree.following(common.parent)) {
    const auto same = parent->child(common.name);
    if (same && *same && (*same)->ino() == common.ino) return *same;
  }
  const auto gone = [name = common.name]() -> base::Result<Children> {
    return base::make_error(base::Code::kNotFound, name + " has been replaced");
  };
  return Node::lazy_directory(common, Lifetime::kFixed, gone, std::move(model));
}

NodePtr take_node(ByteReader& in, const std::vector<NodePtr>& nodes, const Tree& tree) {
  Node::Common common;
  common.ino = in.number<Ino>();
  common.parent = in.number<Ino>();
  common.name = in.text();
  common.mtime = in.number<std::int64_t>();
  const auto kind = static_cast<Kind>(in.number<std::uint8_t>());
  if (kind == Kind::kText) {
    std::string text(in.text());
    const std::uint64_t size = text.size();
    return Node::file(std::move(common), make_text(std::move(text)), size);
  }
  if (kind == Kind::kBlob) {
    BlobContent blob{take_digest(in), nullptr};
    const auto size = in.number<std::uint64_t>();
    const auto access = in.number<std::uint8_t>() != 0 ? Access::kReadOrMapWritable : Access::kRead;
    if (in.number<std::uint8_t>() != 0) blob.home = take_home(in);
    return Node::file(std::move(common), std::move(blob), size, access);
  }
  if (kind == Kind::kLink) {
    std::string target(in.text());
    const std::uint64_t size = target.size();
    return Node::file(std::move(common), make_link(std::move(target)), size);
  }
  if (kind == Kind::kRewritable) {
    std::string place(in.text());
    std::optional<std::string> text;
    if (in.number<std::uint8_t>() != 0) text = std::string(in.text());
    const std::uint64_t size = text ? text->size() : 0;
    return Node::file(std::move(common), make_rewritable(std::move(place), std::move(text)), size);
  }
  if (kind != Kind::kDirectory) in.fail();
  const auto lifetime = in.number<std::uint8_t>() != 0 ? Lifetime::kFollowsRefs : Lifetime::kFixed;
  std::shared_ptr<const ModelInfo> model;
  if (in.number<std::uint8_t>() != 0) {
    auto home = take_home(in);
    model = std::make_shared<const ModelInfo>(
        ModelInfo{std::move(home), in.number<std::uint8_t>() != 0});
  }
  if (in.number<std::uint8_t>() == 0) return unopened(common, std::move(model), tree);
  Children children;
  for (std::uint64_t left = in.count(); left > 0; --left) {
    const auto place = in.number<std::uint64_t>();
    if (place >= nodes.size()) in.fail();
    if (!in.good()) break;
    children.push_back(nodes[place]);
  }
  if (!model) return Node::directory(std::move(common), lifetime, std::move(children));
  const auto same = [children = std::move(children)]() -> base::Result<Children> {
    return children;
  };
  return Node::lazy_directory(std::move(common), lifetime, same, std::move(model));
}

class StateReader {
 public:
  StateReader(std::string_view bytes, const Tree& tree, std::vector<base::UniqueFd> descriptors)
      : in_(bytes), tree_(tree), descriptors_(std::move(descriptors)) {}

  base::Result<HandoverState> read() {
    const auto version = in_.number<std::uint64_t>();
    if (in_.good() && version != kHandoverVersion)
      return base::make_error(base::Code::kUnsupported,
                              "the mount's daemon is of a version that hands over in another way",
                              "castool umount it, then mount it anew");
    HandoverState state;
    state.connection.init_request = in_.text();
    state.connection.init_reply = in_.text();
    for (std::uint64_t left = in_.count(); left > 0 && in_.good(); --left)
      state.connection.requests.emplace_back(in_.text());
    for (std::uint64_t left = in_.count(); left > 0 && in_.good(); --left)
      nodes_.push_back(take_node(in_, nodes_, tree_));
    for (std::uint64_t left = in_.count(); left > 0 && in_.good(); --left)
      state.known.push_back(known());
    for (std::uint64_t left = in_.count(); left > 0 && in_.good(); --left)
      state.files.push_back(file());
    for (std::uint64_t left = in_.count(); left > 0 && in_.good(); --left)
      state.covers.push_back(cover());
    state.next_listing = in_.number<std::uint64_t>();
    for (std::uint64_t left = in_.count(); left > 0 && in_.good(); --left) {
      const auto handle = in_.number<std::uint64_t>();
      state.listings.push_back({handle, node()});
    }
    if (!in_.good() || !in_.at_end() || next_ != descriptors_.size())
      return base::make_error(base::Code::kInternal, "the mount's daemon sent what makes no sense");
    return state;
  }

 private:
  Upper::Placed cover() {
    Upper::Placed placed;
    placed.place = in_.text();
    placed.covered = take_digest(in_);
    placed.cover.text = std::make_shared<const std::string>(in_.text());
    placed.cover.mtime = in_.number<std::int64_t>();
    return placed;
  }
  NodePtr node() {
    const auto place = in_.number<std::uint64_t>();
    if (place < nodes_.size()) return nodes_[place];
    in_.fail();
    return nullptr;
  }

  KnownNodes::Entry known() {
    KnownNodes::Entry entry;
    entry.id = in_.number<NodeId>();
    entry.node = node();
    entry.count = in_.number<std::uint64_t>();
    entry.unsure = in_.number<std::uint8_t>() != 0;
    entry.poisoned = in_.number<std::uint8_t>() != 0;
    return entry;
  }

  OpenNode file() {
    OpenNode file;
    file.id = in_.number<NodeId>();
    file.count = in_.number<std::uint64_t>();
    file.native = in_.number<std::int32_t>();
    file.filling = in_.number<std::uint8_t>() != 0;
    file.given_out = in_.text();
    if (in_.number<std::uint8_t>() == 0) return file;
    if (next_ == descriptors_.size()) in_.fail();
    if (in_.good()) file.blob = std::move(descriptors_[next_++]);
    return file;
  }

  ByteReader in_;
  const Tree& tree_;
  std::vector<base::UniqueFd> descriptors_;
  std::size_t next_ = 0;
  std::vector<NodePtr> nodes_;
};

}  // namespace

std::string to_bytes(const HandoverState& state) {
  NodeTable table;
  for (const OpenListing& listing : state.listings) table.note_listed(listing.directory);
  for (const OpenListing& listing : state.listings) table.add(listing.directory);
  for (const KnownNodes::Entry& entry : state.known) table.add(entry.node);
  ByteWriter out;
  out.number(kHandoverVersion);
  out.text(state.connection.init_request);
  out.text(state.connection.init_reply);
  out.number<std::uint64_t>(state.connection.requests.size());
  for (const std::string& request : state.connection.requests) out.text(request);
  out.number(table.size());
  ByteWriter rest;
  rest.number<std::uint64_t>(state.known.size());
  for (const KnownNodes::Entry& entry : state.known) {
    rest.number(entry.id);
    rest.number(table.add(entry.node));
    rest.number(entry.count);
    rest.number<std::uint8_t>(entry.unsure);
    rest.number<std::uint8_t>(entry.poisoned);
  }
  rest.number<std::uint64_t>(state.files.size());
  for (const OpenNode& file : state.files) {
    rest.number(file.id);
    rest.number(file.count);
    rest.number(file.native);
    rest.number<std::uint8_t>(file.filling);
    rest.text(file.given_out);
    rest.number<std::uint8_t>(file.blob.valid());
  }
  rest.number<std::uint64_t>(state.covers.size());
  for (const Upper::Placed& placed : state.covers) {
    rest.text(placed.place);
    rest.text(placed.covered.text());
    rest.text(*placed.cover.text);
    rest.number(placed.cover.mtime);
  }
  rest.number(state.next_listing);
  rest.number<std::uint64_t>(state.listings.size());
  for (const OpenListing& listing : state.listings) {
    rest.number(listing.handle);
    rest.number(table.add(listing.directory));
  }
  return out.take() + table.take() + rest.take();
}

base::Result<HandoverState> parse_handover(std::string_view bytes, const Tree& tree,
                                           std::vector<base::UniqueFd> descriptors) {
  return StateReader(bytes, tree, std::move(descriptors)).read();
}

}  // namespace castool::fusefs
