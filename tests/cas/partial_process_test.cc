// Several processes on one partial, one of them killed.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "tests/cas/store_fixture.h"

namespace castool::cas {
namespace {

// Runs `body` in a process of its own. Forked before this process has threads.
pid_t in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  return pid;
}

int exit_status(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void say(char c) const { EXPECT_EQ(::write(ends_[1], &c, 1), 1); }
  [[nodiscard]] char hear() const {
    char c = 0;
    EXPECT_EQ(::read(ends_[0], &c, 1), 1);
    return c;
  }

 private:
  std::array<int, 2> ends_{};
};

class PartialProcessTest : public StoreTest {
 protected:
  const std::string bytes_ = content(16 * kChunkSize + 3);
  const PartialKey key_ = key_of(bytes_);
};

TEST_F(PartialProcessTest, AKilledProcessFreesItsClaimsAtOnce) {
  (void)open();
  const Pipe ready;
  const pid_t child = in_child([&] {
    auto store = open();
    auto partial = store->open_partial(key_, Preallocate::kNo);
    auto writer = (*partial)->claim(0, 8 * kChunkSize, {0, bytes_.size()});
    (void)(*writer)->append(bytes_of(bytes_).subspan(0, 2 * kChunkSize + 500));
    ready.say('x');
    ::pause();
    return 1;
  });
  (void)ready.hear();
  auto store = open();
  auto partial = *store->open_partial(key_, Preallocate::kNo);
  auto list = *list_partials(*store);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_THAT(list[0].pids, ::testing::UnorderedElementsAre(child, ::getpid()));
  // The child's claim of chunks 2 to 7 holds while it lives.
  ASSERT_TRUE(fill(*partial, bytes_));
  EXPECT_EQ(*partial->refresh(), bytes_.size() - 6 * kChunkSize);
  EXPECT_FALSE(partial->complete());

  ::kill(child, SIGKILL);
  EXPECT_EQ(exit_status(child), 128 + SIGKILL);
  ASSERT_TRUE(fill(*partial, bytes_));
  EXPECT_TRUE(partial->complete());
  EXPECT_THAT((*list_partials(*store))[0].pids, ::testing::ElementsAre(::getpid()));
  ASSERT_TRUE(partial->publish(key_.digest));
  EXPECT_EQ(check_blobs(), 1u);
}

// Opens, fills what it can get, and publishes: what any number of pulls of one blob do.
int pull_like(Store& store, const PartialKey& key, const std::string& bytes) {
  while (true) {
    auto partial = store.open_partial(key, Preallocate::kYes);
    if (!partial) return 2;
    while (!(*partial)->complete()) {
      if (!fill(**partial, bytes, 2 * kChunkSize)) return 3;
      if (!(*partial)->refresh()) return 4;
    }
    PrefixHasher hasher(**partial);
    const auto digest = hasher.finish({});
    if (!digest) return 5;
    const auto published = (*partial)->publish(*digest);
    if (!published) return 6;
    return 0;
  }
}

TEST_F(PartialProcessTest, ManyProcessesPublishOneBlob) {
  (void)open();
  for (int round = 0; round < 2; ++round) {
    std::filesystem::remove(blob_file(key_.digest));
    const Pipe start;
    std::vector<pid_t> children;
    for (int i = 0; i < 12; ++i) {
      children.push_back(in_child([&] {
        auto store = open();
        (void)start.hear();
        return store ? pull_like(*store, key_, bytes_) : 1;
      }));
    }
    for (std::size_t i = 0; i < children.size(); ++i) start.say('g');
    for (const pid_t child : children) EXPECT_EQ(exit_status(child), 0);
    EXPECT_EQ(check_blobs(), 1u);
    EXPECT_EQ(entries("partials"), 0u);
    EXPECT_EQ(entries("tmp"), 0u);
  }
}

TEST_F(PartialProcessTest, KilledAnywhereTheNextRunEndsRight) {
  (void)open();
  for (int round = 0; round < 16; ++round) {
    const Pipe started;
    const pid_t child = in_child([&] {
      auto store = open();
      started.say('x');
      return store ? pull_like(*store, key_, bytes_) : 1;
    });
    (void)started.hear();
    // Spread over the child's life by its own progress, not by the clock.
    auto store = open();
    const std::uint64_t until = bytes_.size() * static_cast<std::uint64_t>(round) / 14;
    while (true) {
      if (*store->find(key_.digest)) break;
      const auto list = *list_partials(*store);
      if (!list.empty() && list[0].present >= until) break;
    }
    ::kill(child, SIGKILL);
    (void)exit_status(child);
    EXPECT_LE(check_blobs(), 1u);
    EXPECT_EQ(pull_like(*store, key_, bytes_), 0);
    EXPECT_EQ(check_blobs(), 1u);
    std::filesystem::remove(blob_file(key_.digest));
  }
}

// Killed between taking the write permission away and the rename. Root would not notice.
TEST_F(PartialProcessTest, DataThatAPublisherLeftReadOnlyIsWrittenAgain) {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(dir_.path().c_str(), kNobody, kNobody), 0);
  }
  const pid_t child = in_child([&] {
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) return 1;
    auto store = open();
    if (!store) return 2;
    {
      auto partial = store->open_partial(key_, Preallocate::kYes);
      if (!partial || !fill(**partial, bytes_)) return 3;
    }
    if (::chmod((partial_path(key_) / "data").c_str(), 0444) != 0) return 4;
    auto partial = store->open_partial(key_, Preallocate::kYes);
    if (!partial || !(*partial)->invalidate({0, 1}) || !fill(**partial, bytes_)) return 5;
    return (*partial)->publish(key_.digest) ? 0 : 6;
  });
  EXPECT_EQ(exit_status(child), 0);
  EXPECT_EQ(check_blobs(), 1u);
}

TEST_F(PartialProcessTest, ManyProcessesCreateOneStore) {
  for (int round = 0; round < 2; ++round) {
    std::filesystem::remove_all(root());
    const Pipe start;
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
      children.push_back(in_child([&] {
        (void)start.hear();
        auto store = try_open(files_);
        return store && (*store)->put("x") ? 0 : 1;
      }));
    }
    for (std::size_t i = 0; i < children.size(); ++i) start.say('g');
    for (const pid_t child : children) EXPECT_EQ(exit_status(child), 0);
    EXPECT_EQ(check_blobs(), 1u);
    EXPECT_EQ(entries("tmp"), 0u);
  }
}

}  // namespace
}  // namespace castool::cas
