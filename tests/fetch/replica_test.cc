// Which copy of a blob is read: places, peers and versions.
#include "fetch/replica.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

using Verdict = Replica::Verdict;

ResponseHead head_with(const std::string& etag, const std::string& peer = "192.0.2.1") {
  ResponseHead head;
  head.status = 206;
  head.peer_address = peer;
  if (!etag.empty()) head.headers.add("ETag", etag);
  return head;
}

const Hop kHere{"https://cdn.example/blob?Signature=one", Reach::kAnywhere};
const Hop kRenewed{"https://cdn.example/blob?Signature=two", Reach::kAnywhere};
const Hop kElsewhere{"https://edge.example/blob", Reach::kAnywhere};

TEST(StrongEtag, IsAQuotedOneWithoutW) {
  for (const char* etag : {"\"abc\"", "\"5f-6\""}) {
    EXPECT_EQ(strong_etag(head_with(etag).headers), etag);
  }
  for (const char* etag : {"", "W/\"abc\"", "abc", "\"abc", "\"", "\"\""}) {
    EXPECT_EQ(strong_etag(head_with(etag).headers), std::nullopt) << etag;
  }
}

TEST(Replica, TellsVersionsApart) {
  struct Row {
    const char* what;
    Hop first;
    std::string first_etag;
    Hop then;
    std::string then_etag;
    Verdict verdict;
  };
  for (const Row& row :
       std::vector<Row>{{"same", kHere, "\"a\"", kHere, "\"a\"", Verdict::kSame},
                        {"changed", kHere, "\"a\"", kHere, "\"b\"", Verdict::kOtherVersion},
                        {"changed behind a new signature", kHere, "\"a\"", kRenewed, "\"b\"",
                         Verdict::kOtherVersion},
                        {"weak before", kHere, "W/\"a\"", kHere, "\"b\"", Verdict::kSame},
                        {"weak after", kHere, "\"a\"", kHere, "W/\"b\"", Verdict::kSame},
                        {"none after", kHere, "\"a\"", kHere, "", Verdict::kSame},
                        {"another place", kHere, "\"a\"", kElsewhere, "\"b\"", Verdict::kSame}}) {
    Replica replica;
    EXPECT_EQ(replica.observe(row.first, head_with(row.first_etag)), Verdict::kSame) << row.what;
    EXPECT_EQ(replica.observe(row.then, head_with(row.then_etag)), row.verdict) << row.what;
  }
}

TEST(Replica, AsksForTheVersionItKnows) {
  Replica replica;
  EXPECT_EQ(replica.version(kHere.url), "");
  static_cast<void>(replica.observe(kHere, head_with("\"a\"")));
  EXPECT_EQ(replica.version(kHere.url), "\"a\"");
  EXPECT_EQ(replica.version(kRenewed.url), "\"a\"");
  EXPECT_EQ(replica.version(kElsewhere.url), "");
  replica.start_over();
  EXPECT_EQ(replica.version(kHere.url), "");
}

TEST(Replica, StopsBelievingInVersionsThatNeverStay) {
  Replica replica;
  int changes = 0;
  for (int i = 0; i < 50; ++i) {
    const auto etag = "\"" + std::to_string(i) + "\"";
    if (replica.observe(kHere, head_with(etag)) == Verdict::kOtherVersion) {
      ++changes;
      replica.start_over();
    }
  }
  EXPECT_EQ(changes, Replica::kMostVersions);
  EXPECT_EQ(replica.version(kHere.url), "");
}

TEST(Replica, StaysWithTheFirstPlaceAndPeer) {
  Replica replica;
  EXPECT_FALSE(replica.place());
  static_cast<void>(replica.observe(kElsewhere, head_with("", "192.0.2.1")));
  ASSERT_TRUE(replica.place());
  EXPECT_EQ(replica.place()->url, kElsewhere.url);
  static_cast<void>(replica.observe(kHere, head_with("", "192.0.2.9")));
  EXPECT_EQ(replica.place()->url, kElsewhere.url);
  // One address is no choice, and another host's is none either.
  EXPECT_EQ(replica.peer(kElsewhere.url), "");
  static_cast<void>(replica.observe(kElsewhere, head_with("", "192.0.2.2")));
  EXPECT_EQ(replica.peer(kElsewhere.url), "192.0.2.1");
  EXPECT_EQ(replica.peer(kHere.url), "");
  replica.forget_place();
  EXPECT_FALSE(replica.place());
  EXPECT_EQ(replica.peer(kElsewhere.url), "");
}

TEST(LosesReplica, WhenItIsGoneOrRefuses) {
  const auto ended = [](TransferEnd end, int status = 0, bool bytes = false) {
    Outcome outcome;
    outcome.end = end;
    outcome.status = status;
    outcome.bytes_arrived = bytes;
    return outcome;
  };
  EXPECT_TRUE(loses_replica(ended(TransferEnd::kConnect)));
  EXPECT_TRUE(loses_replica(ended(TransferEnd::kStalled)));
  EXPECT_TRUE(loses_replica(ended(TransferEnd::kReset)));
  EXPECT_FALSE(loses_replica(ended(TransferEnd::kReset, 206, true)));
  EXPECT_TRUE(loses_replica(ended(TransferEnd::kComplete, 403)));
  EXPECT_TRUE(loses_replica(ended(TransferEnd::kComplete, 503)));
  EXPECT_FALSE(loses_replica(ended(TransferEnd::kComplete, 429)));
  EXPECT_FALSE(loses_replica(ended(TransferEnd::kComplete, 206)));
}

TEST(Replica, AnAnswerFromBeforeTheAddressIsNoPlaceToAskAgain) {
  Replica replica;
  replica.forget_place();  // the address was asked for anew
  EXPECT_EQ(
      replica.observe(kHere, head_with("\"a\"", "192.0.2.1"), Replica::Asked::kBeforeTheAddress),
      Verdict::kSame);
  EXPECT_FALSE(replica.place());
  EXPECT_EQ(replica.observe(kElsewhere, head_with("\"b\"")), Verdict::kSame);
  ASSERT_TRUE(replica.place());
  EXPECT_EQ(replica.place()->url, kElsewhere.url);
  // What it says of the version counts all the same.
  EXPECT_EQ(replica.observe(kElsewhere, head_with("\"c\""), Replica::Asked::kBeforeTheAddress),
            Verdict::kOtherVersion);
}

}  // namespace
}  // namespace castool::fetch
