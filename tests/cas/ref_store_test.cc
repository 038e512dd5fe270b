#include "cas/ref_store.h"

#include <atomic>
#include <thread>

#include "cas/ref_name.h"
#include "tests/cas/store_fixture.h"

namespace castool::cas {
namespace {

namespace fs = std::filesystem;
using base::Code;
using std::chrono::milliseconds;

using RefStoreTest = StoreTest;

std::vector<std::string> odd_names() {
  return {"org/name",
          "model:latest",
          "a%2Fb",
          "%",
          "..",
          ".",
          ".hidden/x",
          "../../etc",
          "with space",
          "új/模型",
          "a\nb",
          "host:5000/n/m:t",
          "trailing/",
          "//",
          "%2E",
          "~",
          std::string(80, '/'),
          std::string(255, 'x')};
}

TEST(RefName, EveryNameHasOneFileAndBack) {
  for (const std::string& name : odd_names()) {
    const auto file = encode_ref_name(name);
    ASSERT_TRUE(file) << name;
    EXPECT_EQ(file->find('/'), std::string::npos);
    EXPECT_NE(file->front(), '.');
    EXPECT_EQ(decode_ref_name(*file), name);
  }
  EXPECT_EQ(*encode_ref_name("org/na%me"), "org%2Fna%25me");
}

TEST(RefName, NamesThatCannotBeFilesAreUsageErrors) {
  for (const std::string& name :
       {std::string(), std::string("a\0b", 3), std::string(256, 'x'), std::string(86, '/')}) {
    const auto file = encode_ref_name(name);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, Code::kUsage);
  }
}

TEST(RefName, FilesThatWeWouldWriteOtherwiseAreNotRefs) {
  for (const std::string file : {"", "%", "a%2", "a%2f", "%41", "a/b", ".x", "%GG", "a%2Eb"}) {
    EXPECT_FALSE(decode_ref_name(file)) << file;
  }
}

TEST_F(RefStoreTest, NamespacesAreChecked) {
  auto store = open();
  for (const std::string ns : {"", ".", "..", "a/b", ".a", "-a", "a b", "ä"}) {
    const auto refs = RefStore::open(*store, ns);
    ASSERT_FALSE(refs) << ns;
    EXPECT_EQ(refs.error().code, Code::kUsage);
    EXPECT_FALSE(RefWatch::open(*store, ns));
  }
  EXPECT_TRUE(RefStore::open(*store, "Default_1.x-y"));
  EXPECT_EQ(entries("refs"), 0u);
}

TEST_F(RefStoreTest, PutsListsAndRemovesOddNames) {
  auto store = open();
  auto refs = *RefStore::open(*store, "default");
  EXPECT_TRUE(refs.list()->empty());
  EXPECT_FALSE(*refs.get("nothing"));
  for (const std::string& name : odd_names()) ASSERT_TRUE(refs.put(name, "of " + name)) << name;
  const auto list = *refs.list();
  EXPECT_EQ(list.size(), odd_names().size());
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const NamedRecord& record : list) EXPECT_EQ(record.bytes, "of " + record.name);
  for (const std::string& name : odd_names()) {
    EXPECT_EQ(**refs.get(name), "of " + name);
    ASSERT_TRUE(refs.remove(name));
    EXPECT_EQ(refs.remove(name).error().code, Code::kNotFound);
  }
  EXPECT_TRUE(refs.list()->empty());
  EXPECT_EQ(entries("tmp"), 0u);
}

TEST_F(RefStoreTest, ReplaceIfLeavesWhatSomebodyElseWrote) {
  auto store = open();
  auto refs = RefStore::open(*store, "default").value();
  EXPECT_FALSE(refs.replace_if("a", "1", "2").value());  // a removed one does not come back
  EXPECT_EQ(refs.get("a").value(), std::nullopt);
  ASSERT_TRUE(refs.put("a", "1"));
  EXPECT_TRUE(refs.replace_if("a", "1", "2").value());
  EXPECT_FALSE(refs.replace_if("a", "1", "3").value());
  EXPECT_EQ(refs.get("a").value(), "2");
}

TEST_F(RefStoreTest, WritersTakeTurns) {
  auto store = open();
  auto refs = RefStore::open(*store, "default").value();
  ASSERT_TRUE(refs.put("n", ""));
  constexpr int kEach = 5;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&refs] {
        for (int done = 0; done < kEach;) {
          const std::string was = *refs.get("n").value();
          if (refs.replace_if("n", was, was + "x").value()) ++done;
        }
      });
    }
  }
  EXPECT_EQ(refs.get("n").value()->size(), 4u * kEach);
}

TEST_F(RefStoreTest, NamespacesAreApartAndListed) {
  auto store = open();
  ASSERT_TRUE(RefStore::open(*store, "b")->put("x", "1"));
  ASSERT_TRUE(RefStore::open(*store, "a")->put("x", "2"));
  EXPECT_EQ(**RefStore::open(*store, "b")->get("x"), "1");
  EXPECT_THAT(*RefStore::namespaces(*store), ::testing::ElementsAre("a", "b"));
}

TEST_F(RefStoreTest, StrangersInTheDirectoryAreNotRefs) {
  auto store = open();
  auto refs = *RefStore::open(*store, "default");
  ASSERT_TRUE(refs.put("good", "1"));
  spill(root() / "refs/default/.swp", "x");
  spill(root() / "refs/default/bad%", "x");
  EXPECT_EQ(refs.list()->size(), 1u);
}

TEST_F(RefStoreTest, ReadersNeverSeeATornRecord) {
  auto store = open();
  auto refs = *RefStore::open(*store, "default");
  const std::string one(500, '1');
  const std::string two(20000, '2');
  ASSERT_TRUE(refs.put("r", one));
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    while (!done) {
      const auto seen = refs.get("r");
      ASSERT_TRUE(seen && *seen);
      ASSERT_TRUE(**seen == one || **seen == two);
      ASSERT_EQ(refs.list()->size(), 1u);
    }
  });
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(refs.put("r", i % 2 == 0 ? two : one));
  done = true;
}

class RefWatchTest : public StoreTest {
 protected:
  // How long wait() took; EXPECTs that it told of a change.
  static milliseconds time_to_notice(RefWatch& watch) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(watch.wait(std::chrono::seconds(20), {}));
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  }
};

TEST_F(RefWatchTest, TellsOfEveryKindOfChangeWithinASecond) {
  auto store = open();
  auto refs = *RefStore::open(*store, "default");
  auto watch = *RefWatch::open(*store, "default");
  EXPECT_FALSE(watch->wait(milliseconds(0), {}));
  for (int i = 0; i < 3; ++i) {
    std::jthread writer(
        [&] { EXPECT_TRUE(i == 2 ? refs.remove("r") : refs.put("r", std::to_string(i))); });
    EXPECT_LT(time_to_notice(*watch), milliseconds(1000));
    writer.join();
    // The rest of this change, if it was noticed half-way.
    while (watch->wait(milliseconds(0), {})) {
    }
  }
}

TEST_F(RefWatchTest, WhatHappenedBeforeTheWaitIsOneChange) {
  auto store = open();
  auto refs = *RefStore::open(*store, "default");
  auto watch = *RefWatch::open(*store, "default");
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(refs.put("r" + std::to_string(i), "x"));
  EXPECT_TRUE(watch->wait(milliseconds(0), {}));
  EXPECT_FALSE(watch->wait(milliseconds(0), {}));
}

TEST_F(RefWatchTest, FollowsANamespaceThatIsRemovedAndMadeAgain) {
  auto store = open();
  auto refs = *RefStore::open(*store, "default");
  ASSERT_TRUE(refs.put("r", "1"));
  auto watch = *RefWatch::open(*store, "default");
  fs::remove_all(root() / "refs/default");
  EXPECT_TRUE(watch->wait(milliseconds(1000), {}));
  ASSERT_TRUE(refs.put("r", "2"));
  EXPECT_TRUE(watch->wait(milliseconds(1000), {}));
  while (watch->wait(milliseconds(0), {})) {
  }
  ASSERT_TRUE(refs.put("r", "3"));
  EXPECT_TRUE(watch->wait(milliseconds(1000), {}));
}

TEST_F(RefWatchTest, StopEndsTheWait) {
  auto store = open();
  auto watch = *RefWatch::open(*store, "default");
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(watch->wait(std::chrono::hours(1), stop.get_token()));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace castool::cas
