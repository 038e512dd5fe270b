#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/blob_filler.h"
#include "fusefs/gate.h"
#include "fusefs/handover_state.h"
#include "fusefs/unanswered_requests.h"

namespace castool::fusefs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const base::Digest kDigest =
    base::Digest::parse_hex(std::string(63, '1') + "2").value_or(base::Digest());

std::shared_ptr<const BlobHome> home() {
  return std::make_shared<const BlobHome>(BlobHome{"acme/m", "hf://acme/m", "https://hub acme/m",
                                                   "abc", manifest::ModelKind::kHub, kDigest});
}

NodePtr weights() {
  return Node::file({20, 10, "weights.bin", 7}, BlobContent{kDigest, home()}, 123,
                    Access::kReadOrMapWritable);
}

// A model's directory that somebody has looked into.
NodePtr opened_model() {
  auto model = Node::lazy_directory(
      {10, 5, "m", 7}, Lifetime::kFixed,
      []() -> base::Result<Children> {
        return Children{weights(), Node::file({21, 10, "text", 7}, make_text("words"), 5)};
      },
      std::make_shared<const ModelInfo>(ModelInfo{home(), true}));
  EXPECT_TRUE(model->children());
  return model;
}

Tree empty_tree() {
  return Tree(Node::directory({kRootIno, kRootIno, "", 0}, Lifetime::kFollowsRefs, {}));
}

HandoverState sample() {
  HandoverState state;
  state.connection = {"init", "reply", {"one", std::string("t\0wo", 4)}};
  const NodePtr model = opened_model();
  const NodePtr file = (*model->children().value())[1];
  state.known.push_back({10, model, 3, false, false});
  state.known.push_back({file->ino() | kNativeBit, file, 2, true, true});
  OpenNode open;
  open.id = file->ino() | kNativeBit;
  open.count = 2;
  open.native = 9;
  open.filling = true;
  open.given_out = "given";
  state.files.push_back(std::move(open));
  for (const char* place : {"acme/m", "acme/n"}) {
    const auto text = std::make_shared<const std::string>(std::string("over ") + place);
    state.covers.push_back({place, kDigest, {text, 1'700'000'000}});
  }
  state.next_listing = 8;
  state.listings.push_back({7, model});
  return state;
}

TEST(HandoverState, ComesOutAsItWentIn) {
  const Tree tree = empty_tree();
  auto parsed = parse_handover(to_bytes(sample()), tree, {});
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->connection.init_request, "init");
  EXPECT_EQ(parsed->connection.init_reply, "reply");
  EXPECT_THAT(parsed->connection.requests, ElementsAre("one", std::string("t\0wo", 4)));
  ASSERT_EQ(parsed->known.size(), 2u);
  const NodePtr model = parsed->known[0].node;
  EXPECT_EQ(model->ino(), 10u);
  EXPECT_EQ(model->parent(), 5u);
  EXPECT_EQ(*model->model()->home, *home());
  EXPECT_TRUE(model->model()->servable);
  const NodePtr text = model->child("text").value();
  EXPECT_EQ(*std::get<TextContent>(text->content()).text, "words");
  EXPECT_EQ(text->size(), 5u);
  const auto& known = parsed->known[1];
  EXPECT_EQ(known.node, model->child("weights.bin").value());
  EXPECT_EQ(known.node->size(), 123u);
  EXPECT_EQ(known.node->mtime(), 7);
  EXPECT_EQ(known.node->access(), Access::kReadOrMapWritable);
  EXPECT_EQ(text->access(), Access::kRead);
  EXPECT_EQ(*std::get<BlobContent>(known.node->content()).home, *home());
  EXPECT_EQ(known.count, 2u);
  EXPECT_TRUE(known.unsure && known.poisoned);
  ASSERT_EQ(parsed->files.size(), 1u);
  EXPECT_EQ(parsed->files[0].native, 9);
  EXPECT_EQ(parsed->files[0].given_out, "given");
  EXPECT_TRUE(parsed->files[0].filling);
  EXPECT_EQ(parsed->files[0].id, Ino{20} | kNativeBit);
  EXPECT_EQ(parsed->files[0].count, 2u);
  ASSERT_EQ(parsed->covers.size(), 2u);
  EXPECT_EQ(parsed->covers[1].place, "acme/n");
  EXPECT_EQ(parsed->covers[1].covered, kDigest);
  EXPECT_EQ(*parsed->covers[1].cover.text, "over acme/n");
  EXPECT_EQ(parsed->covers[1].cover.mtime, 1'700'000'000);
  EXPECT_EQ(parsed->next_listing, 8u);
  EXPECT_EQ(parsed->listings[0].directory, model);
}

TEST(HandoverState, ADirectoryThatNobodyLookedIntoIsTheSuccessorsOwn) {
  const auto unopened = [](Ino ino) {
    return Node::lazy_directory({ino, 5, "m", 7}, Lifetime::kFixed, [] { return Children(); });
  };
  const NodePtr own = unopened(10);
  const Tree tree(
      Node::directory({kRootIno, kRootIno, "", 0}, Lifetime::kFollowsRefs,
                      {Node::directory({5, kRootIno, "acme", 0}, Lifetime::kFollowsRefs, {own})}));
  HandoverState state;
  state.known.push_back({10, unopened(10), 1, false, false});
  state.known.push_back({11, unopened(11), 1, false, false});  // of a revision that has gone
  const auto parsed = parse_handover(to_bytes(state), tree, {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->known[0].node, own);
  EXPECT_FALSE(parsed->known[1].node->children());
}

TEST(HandoverState, OnlyDirectoriesThatAreBeingListedBringWhatIsAboveTheModels) {
  const NodePtr below =
      Node::directory({5, kRootIno, "acme", 0}, Lifetime::kFollowsRefs, {weights()});
  const NodePtr root =
      Node::directory({kRootIno, kRootIno, "", 0}, Lifetime::kFollowsRefs, {below});
  HandoverState state;
  state.known.push_back({5, below, 1, false, false});
  state.listings.push_back({1, root});
  const Tree tree = empty_tree();
  auto parsed = parse_handover(to_bytes(state), tree, {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->listings[0].directory->children().value()->size(), 1u);
  EXPECT_THAT(*parsed->known[0].node->children().value(), IsEmpty());
  state.listings.push_back({2, below});
  parsed = parse_handover(to_bytes(state), tree, {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->listings[1].directory->children().value()->size(), 1u);
}

TEST(HandoverState, AnythingElseIsRefused) {
  const Tree tree = empty_tree();
  const std::string good = to_bytes(sample());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_handover(good.substr(0, size), tree, {})) << size;
  EXPECT_FALSE(parse_handover(good + "x", tree, {}));
  std::vector<base::UniqueFd> spare(1);
  EXPECT_FALSE(parse_handover(good, tree, std::move(spare)));
  std::string other = good;
  other[0] = 77;
  const auto version = parse_handover(other, tree, {});
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, base::Code::kUnsupported);
  // Whatever is in it: an error or a value, never memory that it does not take.
  for (std::size_t at = 8; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    static_cast<void>(parse_handover(changed, tree, {}));
  }
}

std::string request(std::uint32_t opcode, std::uint64_t unique) {
  std::string bytes(40, '\0');
  std::memcpy(bytes.data() + 4, &opcode, sizeof opcode);
  std::memcpy(bytes.data() + 8, &unique, sizeof unique);
  return bytes;
}

TEST(UnansweredRequests, KeepsWhatMayBeAnsweredLater) {
  UnansweredRequests requests;
  const std::string read = request(15, 2);
  requests.came(read);
  requests.came(request(1, 4));
  requests.came(request(14, 6));
  requests.came(request(3, 8));  // GETATTR is answered by the thread that took it
  requests.came("short");
  requests.answered(4);
  requests.answered(6);
  requests.answered(8);
  EXPECT_THAT(requests.all(), ElementsAre(read));
}

TEST(Gate, HoldsWhoComesAndWaitsForWhoIsInside) {
  Gate gate;
  const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::milliseconds(1); };
  {
    const Gate::Pass inside(gate);
    EXPECT_FALSE(gate.hold(soon()));
    const Gate::Pass another(gate);  // nothing is held after that
  }
  ASSERT_TRUE(gate.hold(soon()));
  auto comes = std::async(std::launch::async, [&] { return static_cast<bool>(Gate::Pass(gate)); });
  EXPECT_EQ(comes.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  gate.release();
  EXPECT_TRUE(comes.get());
  ASSERT_TRUE(gate.hold(soon()));
  auto late = std::async(std::launch::async, [&] { return static_cast<bool>(Gate::Pass(gate)); });
  gate.close();
  EXPECT_FALSE(late.get());
}

}  // namespace
}  // namespace castool::fusefs
