// Files that are not there yet, without a kernel.
#include <fcntl.h>

#include <cerrno>
#include <deque>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cas/partial.h"
#include "fusefs/fake_filler.h"
#include "fusefs/fake_native.h"
#include "fusefs/model_fs_fixture.h"

namespace castool::fusefs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Does what it is told to when the test says so.
class FakePages final : public PageDropper {
 public:
  void drop_pages(NodeId id, Then then) override {
    if (look) look();
    asked.push_back(id);
    waiting.push_back(std::move(then));
    if (at_once) run(base::ok());
  }
  void run(const base::Status& status) {
    while (!waiting.empty()) {
      const Then then = std::move(waiting.front());
      waiting.pop_front();
      then(status);
    }
  }
  std::vector<NodeId> asked;
  std::deque<Then> waiting;
  bool at_once = true;
  std::function<void()> look;
};

class FillingFsTest : public testing::ModelFsTest {
 protected:
  FillingFsTest() : fs_(start(), {blobs_, &native_, &filler_, &pages_}, {}, log_) {
    native_.set_available(false);
  }

  TreePtr start() {
    const auto record = add("o/m", {{"big", big_}, {"small", "s"}});
    blobs_.remove(digest_);
    filler_.put(big_);
    return tree_of({record});
  }
  Entry look_up(const std::string& name = "big") { return *fs_.lookup(walk(fs_, "o/m"), name); }
  NodeId open_big() {
    const NodeId id = look_up().id;
    EXPECT_TRUE(open(fs_, id, O_RDONLY));
    return id;
  }

  // One read that may have to wait.
  struct Reading {
    std::optional<Answer<std::string>> answer;
    PendingReads::Number number = 0;
  };
  std::shared_ptr<Reading> begin(NodeId id, std::uint64_t offset, std::size_t size,
                                 bool start = true) {
    auto reading = std::make_shared<Reading>();
    auto now = fs_.files().read(id, offset, size);
    if (!now) {
      reading->answer = now.error();
    } else if (const auto* slice = std::get_if<Slice>(&*now)) {
      reading->answer = bytes_of(*slice);
    } else {
      reading->number = fs_.files().wait_for(std::get<Later>(*std::move(now)),
                                             [reading](const Answer<Slice>& answer) {
                                               EXPECT_FALSE(reading->answer) << "answered twice";
                                               if (answer)
                                                 reading->answer = bytes_of(*answer);
                                               else
                                                 reading->answer = answer.error();
                                             });
      if (start) fs_.files().waiting().start(reading->number);
    }
    return reading;
  }
  static std::string said(const Reading& reading) {
    if (!reading.answer) return "waits";
    return *reading.answer ? **reading.answer
                           : "errno " + std::to_string((*reading.answer).error().value);
  }
  std::string read_now(NodeId id, std::uint64_t offset, std::size_t size) {
    return said(*begin(id, offset, size));
  }
  [[nodiscard]] std::shared_ptr<testing::FakeFilling> filling() { return filler_.filling(digest_); }

  const std::string big_ = [] {
    std::string bytes(2 * cas::kChunkSize + 100, 'b');
    for (std::size_t i = 0; i < bytes.size(); i += 1000) bytes[i] = static_cast<char>('a' + i % 7);
    return bytes;
  }();
  const base::Digest digest_ = base::Sha256::of(big_);
  const std::string eio_ = "errno " + std::to_string(EIO);
  const std::string eintr_ = "errno " + std::to_string(EINTR);
  testing::FakeNative native_;
  testing::FakeFiller filler_;
  FakePages pages_;
  ModelFs fs_;
};

TEST_F(FillingFsTest, IsShownWithItsSizeUnderAnIdOfItsOwn) {
  const Entry entry = look_up();
  EXPECT_EQ(variant_of(entry.id), 1u);
  EXPECT_EQ(entry.entry_seconds, kVolatileSeconds);
  EXPECT_EQ(entry.attr_seconds, kFixedSeconds);
  EXPECT_EQ(fs_.stat_of(*entry.node).st_ino, ino_of(entry.id));
  EXPECT_EQ(static_cast<std::size_t>(fs_.stat_of(*entry.node).st_size), big_.size());
  blobs_.put(big_);
  EXPECT_EQ(look_up().id, ino_of(entry.id)) << "the id of stored bytes";
  EXPECT_EQ(look_up().entry_seconds, kFixedSeconds);
  native_.set_available(true);
  blobs_.set_native(true);
  EXPECT_EQ(look_up().id, ino_of(entry.id) | kNativeBit);
}

TEST_F(FillingFsTest, AReadWaitsForItsBytesOnly) {
  const NodeId id = open_big();
  EXPECT_EQ(filler_.last_home(), "o/m");
  const auto first = begin(id, 10, 5);
  const auto later = begin(id, 100'000, 70'000);
  const auto end = begin(id, big_.size() - 3, 4096);
  EXPECT_EQ(read_now(id, big_.size(), 10), "") << "nothing is beyond the end";
  EXPECT_EQ(fs_.files().waiting().size(), 3u);
  filling()->arrive(0);
  EXPECT_EQ(said(*first), big_.substr(10, 5));
  EXPECT_EQ(said(*later), "waits");
  filling()->arrive(1);
  EXPECT_EQ(said(*later), "waits") << "it takes two steps";
  filling()->arrive(2);
  EXPECT_EQ(said(*later), big_.substr(100'000, 70'000));
  filling()->arrive(32);
  EXPECT_EQ(said(*end), big_.substr(big_.size() - 3)) << "short at the end of the file only";
  EXPECT_EQ(read_now(id, 0, 20), big_.substr(0, 20));
  EXPECT_EQ(fs_.files().waiting().size(), 0u);
}

TEST_F(FillingFsTest, AFailureIsOfOneReadOnly) {
  const NodeId id = open_big();
  const auto one = begin(id, 0, 10);
  const auto two = begin(id, 1 << 20, 10);
  filling()->fail_reads(base::Code::kUnavailable);
  EXPECT_EQ(said(*one), eio_);
  EXPECT_EQ(said(*two), eio_);
  EXPECT_THAT(log_.text(), HasSubstr(digest_.text()));
  const auto lines = log_.text();
  const auto again = begin(id, 0, 10);
  filling()->fail_reads(base::Code::kUnavailable);
  EXPECT_EQ(said(*again), eio_);
  EXPECT_EQ(log_.text(), lines) << "one line, not one a read";
  const auto last = begin(id, 0, 10);
  filling()->arrive(0);
  EXPECT_EQ(said(*last), big_.substr(0, 10));
}

TEST_F(FillingFsTest, AnInterruptedReadEndsAndIsCancelled) {
  const NodeId id = open_big();
  const auto other = begin(id, 0, 10);
  const auto read = begin(id, 0, 10);
  fs_.files().waiting().interrupt(read->number);
  EXPECT_EQ(said(*read), eintr_);
  EXPECT_EQ(filling()->cancelled(), 1u);
  EXPECT_EQ(said(*other), "waits");
  fs_.files().waiting().interrupt(read->number);
  fs_.files().waiting().interrupt(12345);
  // Interrupted before it began.
  const auto early = begin(id, 0, 10, false);
  fs_.files().waiting().interrupt(early->number);
  EXPECT_EQ(said(*early), "waits") << "start() has to answer it";
  const std::size_t wants = filling()->wants();
  fs_.files().waiting().start(early->number);
  EXPECT_EQ(said(*early), eintr_);
  EXPECT_EQ(filling()->wants(), wants) << "nothing is asked for";
  filling()->arrive(0);
  EXPECT_EQ(said(*other), big_.substr(0, 10));
}

TEST_F(FillingFsTest, NoFillerOrNothingToBeHadIsEio) {
  filler_.set_status({BlobState::kDamaged, 0});
  EXPECT_EQ(open(fs_, look_up().id, O_RDONLY).error().value, EIO);
  EXPECT_THAT(log_.text(), HasSubstr("nothing right is to be had"));
  EXPECT_EQ(fs_.open_files(), 0u);
  ModelFs without(fs_.tree(), {blobs_}, {}, log_);
  const auto entry = without.lookup(walk(without, "o/m"), "big");
  EXPECT_EQ(variant_of(entry->id), 0u);
  EXPECT_EQ(open(without, entry->id, O_RDONLY).error().value, EIO);
}

TEST_F(FillingFsTest, XattrsSayHowFarItIs) {
  const NodeId id = look_up().id;
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.state"), "absent");
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.present"), "0");
  filler_.set_status({BlobState::kPartial, 12345});
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.state"), "partial");
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.present"), "12345");
  filler_.set_status({BlobState::kDamaged, 0});
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.state"), "damaged");
  blobs_.put(big_);
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.state"), "verified");
  EXPECT_EQ(*fs_.getxattr(id, "user.castool.present"), std::to_string(big_.size()));
}

TEST_F(FillingFsTest, WhatWasVerifiedNeedsNoDropping) {
  const NodeId id = open_big();
  filling()->arrive_all();
  EXPECT_EQ(read_now(id, 0, 4), big_.substr(0, 4));
  filling()->verify();
  filling()->tell();
  blobs_.put(big_);
  EXPECT_EQ(read_now(id, 4, 4), big_.substr(4, 4)) << "old handles go on";
  fs_.release(id);
  EXPECT_TRUE(open(fs_, id, O_RDONLY));
  EXPECT_THAT(pages_.asked, IsEmpty());
  EXPECT_EQ(filler_.opens(), 1) << "from the store";
}

// Nobody is told when bytes turn out wrong that were given out to those who have gone.
TEST_F(FillingFsTest, PagesOfAClosedUnverifiedFileAreDroppedBeforeItIsOpenedAgain) {
  const NodeId id = open_big();
  filling()->arrive(0);
  EXPECT_EQ(read_now(id, 0, 4), big_.substr(0, 4));
  fs_.release(id);
  EXPECT_EQ(fs_.open_files(), 0u);
  pages_.at_once = false;
  std::vector<bool> opened;
  const auto note = [&](const Answer<OpenedFile>& answer) { opened.push_back(answer.has_value()); };
  fs_.open(id, {O_RDONLY}, note);
  fs_.open(id, {O_RDONLY}, note);
  EXPECT_THAT(opened, IsEmpty()) << "both wait for it";
  EXPECT_THAT(pages_.asked, ElementsAre(id));
  EXPECT_EQ(filler_.opens(), 1);
  pages_.run(base::ok());
  EXPECT_THAT(opened, ElementsAre(true, true));
  EXPECT_EQ(filler_.opens(), 2);
  fs_.release(id);
  EXPECT_EQ(fs_.open_files(), 1u);
  fs_.release(id);
  EXPECT_EQ(fs_.open_files(), 0u);
  fs_.open(id, {O_RDONLY}, note);
  EXPECT_THAT(opened, ElementsAre(true, true, true)) << "nothing was read since";
}

TEST_F(FillingFsTest, WhatCannotBeDroppedIsNotOpened) {
  const NodeId id = open_big();
  filling()->arrive(0);
  EXPECT_EQ(read_now(id, 0, 1), big_.substr(0, 1));
  fs_.release(id);
  pages_.at_once = false;
  std::optional<int> failed;
  fs_.open(id, {O_RDONLY},
           [&](const Answer<OpenedFile>& answer) { failed = answer.error().value; });
  pages_.run(base::make_error(base::Code::kIo, "no"));
  EXPECT_EQ(failed, EIO);
  EXPECT_EQ(fs_.open_files(), 0u);
}

TEST_F(FillingFsTest, APoisonedFileGivesErrorsAndNewOpensAnotherId) {
  const NodeId id = open_big();
  filling()->arrive_wrong(0);
  EXPECT_EQ(read_now(id, 0, 3), "!!!") << "nobody can know yet";
  const auto waits = begin(id, 1 << 20, 10);
  pages_.at_once = false;
  pages_.look = [&] { EXPECT_EQ(said(*waits), eio_) << "the kernel would wait for this answer"; };
  const auto bad = filling();
  bad->poison();
  EXPECT_EQ(said(*waits), eio_);
  EXPECT_THAT(pages_.asked, ElementsAre(id));
  EXPECT_EQ(read_now(id, 0, 3), eio_);
  EXPECT_THAT(log_.text(), HasSubstr("the origin's bytes are wrong"));
  EXPECT_EQ(open(fs_, id, O_RDONLY).error().value, ESTALE) << "look it up again";

  const Entry fresh = look_up();
  EXPECT_NE(fresh.id, id);
  EXPECT_EQ(ino_of(fresh.id), ino_of(id));
  ASSERT_TRUE(open(fs_, fresh.id, O_RDONLY));
  filling()->arrive(0);
  EXPECT_EQ(read_now(fresh.id, 0, 3), big_.substr(0, 3));
  EXPECT_EQ(read_now(id, 0, 3), eio_) << "for ever";
  blobs_.put(big_);
  EXPECT_EQ(look_up().id, ino_of(id));
  // Forgotten by the kernel, the id is as good as new.
  fs_.release(id);
  blobs_.remove(digest_);
  fs_.forget(id, 1000);
  EXPECT_EQ(look_up().id, id);
}

TEST_F(FillingFsTest, PagesAreDroppedAfterTheLastAnswerIsOut) {
  const NodeId id = open_big();
  filling()->arrive(0);
  auto now = fs_.files().read(id, 0, 10);
  std::optional<Slice> out;
  const auto number = fs_.files().wait_for(std::get<Later>(*std::move(now)),
                                           [&](const Answer<Slice>& answer) { out = *answer; });
  fs_.files().waiting().start(number);
  ASSERT_TRUE(out);
  filling()->poison();
  EXPECT_THAT(pages_.asked, IsEmpty()) << "this answer may still become a page";
  out.reset();
  EXPECT_THAT(pages_.asked, ElementsAre(id));
}

TEST_F(FillingFsTest, NothingIsGivenOutOncePoisonedAlsoOfWhatHadArrivedBefore) {
  filling()->arrive(0);
  auto file = FillingFile::open(filler_, {digest_, big_.size(), BlobHome::of({})}, {1, 1});
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->slice({0, 10}));
  EXPECT_TRUE((*file)->poison());
  EXPECT_FALSE((*file)->poison());
  EXPECT_FALSE((*file)->slice({0, 10}));
}

TEST_F(FillingFsTest, EveryVariantPoisonedIsAnError) {
  for (unsigned variant = 1; variant < kVariants; ++variant) {
    const NodeId id = open_big();
    EXPECT_EQ(variant_of(id), variant);
    filling()->poison();
  }
  EXPECT_EQ(open(fs_, look_up().id, O_RDONLY).error().value, EIO);
}

TEST_F(FillingFsTest, TheEndOfTheMountAnswersAll) {
  const NodeId id = open_big();
  std::vector<std::shared_ptr<Reading>> readings;
  for (int i = 0; i < 1000; ++i) readings.push_back(begin(id, static_cast<unsigned>(i), 100));
  EXPECT_FALSE(fs_.files().waiting().wait_until_none(std::chrono::steady_clock::now()));
  fs_.files().close();
  for (const auto& reading : readings) EXPECT_EQ(said(*reading), eio_);
  EXPECT_EQ(filling()->waiting(), 0u);
  EXPECT_EQ(read_now(id, 0, 10), eio_) << "nothing waits any more";
  filling()->poison();
  EXPECT_THAT(pages_.asked, IsEmpty()) << "no callback comes through";
}

TEST_F(FillingFsTest, InterruptsAndArrivalsAtOnceAnswerEveryReadOnce) {
  const NodeId id = open_big();
  constexpr std::size_t kReads = 2000;
  std::vector<std::atomic<int>> answers(kReads);
  std::vector<PendingReads::Number> numbers(kReads);
  for (std::size_t i = 0; i < kReads; ++i) {
    auto now = fs_.files().read(id, i * 1000, 500);
    numbers[i] = fs_.files().wait_for(std::get<Later>(*std::move(now)),
                                      [&answers, i](const Answer<Slice>&) { ++answers[i]; });
  }
  {
    std::jthread starter([&] {
      for (const auto number : numbers) fs_.files().waiting().start(number);
    });
    std::jthread killer([&] {
      for (std::size_t i = 0; i < kReads; i += 3) fs_.files().waiting().interrupt(numbers[i]);
    });
    std::jthread origin([&] { filling()->arrive_all(); });
  }
  for (std::size_t i = 0; i < kReads; ++i) EXPECT_EQ(answers[i], 1) << i;
  EXPECT_EQ(fs_.files().waiting().size(), 0u);
}

}  // namespace
}  // namespace castool::fusefs
