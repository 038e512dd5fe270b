// What gc deletes of a real store, and what it spares.
#include "pull/gc.h"

#include <sys/mman.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cas/gc_locks.h"
#include "cas/lease.h"
#include "cas/partial.h"
#include "manifest/manifest.h"
#include "tests/pull/pull_fixture.h"
#include "tests/support/fault_file_ops.h"

namespace castool::pull {
namespace {

using base::Code;
using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;

class Gc : public PullFixture {
 protected:
  // A model of one file of `bytes`, as a pull would have left it.
  base::Digest add_model(const std::string& name, const std::string& bytes,
                         std::int64_t last_used = 0, bool pinned = false) {
    manifest::HubManifest hub;
    hub.endpoint = "https://hub.test";
    hub.repo = name;
    hub.commit = std::string(40, 'a');
    hub.files = {{"model.bin", store_->put(bytes).value(), bytes.size(), std::nullopt}};
    manifest::RefRecord record;
    record.name = name;
    record.origin = "https://hub.test " + name;
    record.state = manifest::RefState::kComplete;
    record.manifest = store_->put(manifest::print_hub_manifest(hub)).value();
    record.bytes = bytes.size();
    record.last_used_at = last_used;
    record.pinned = pinned;
    EXPECT_TRUE(refs_->put(name, manifest::print_ref_record(record)));
    return hub.files[0].digest;
  }
  [[nodiscard]] bool stored(const base::Digest& digest) const {
    return store_->size_of(digest).value().has_value();
  }
  GcReport collect(const GcOptions& options = {}) {
    auto report = collect_garbage(*store_, options, {});
    EXPECT_TRUE(report) << report.error().text();
    return report ? *report : GcReport{};
  }
  [[nodiscard]] std::size_t files_below(const std::string& folder) const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root_ + "/store/" + folder)) {
      count += entry.is_regular_file() || entry.is_symlink() ? 1u : 0u;
    }
    return count;
  }
};

TEST_F(Gc, DeletesWhatNoRefNamesWithEverythingThatBelongsToIt) {
  const auto kept = add_model("acme/kept", "kept");
  const std::string big(2 * cas::kChunkSize + 3, 'x');
  const auto garbage = store_->put(big).value();
  ASSERT_TRUE(store_->put_alias(cas::origin_key("o"), {}, garbage));
  const auto report = collect();
  EXPECT_TRUE(stored(kept));
  EXPECT_FALSE(stored(garbage));
  EXPECT_EQ(report.removed_blobs, 1u);
  EXPECT_EQ(report.freed_bytes, big.size());
  EXPECT_EQ(report.removed_refs, 0u);
  EXPECT_EQ(files_below("sums"), 0u);
  EXPECT_EQ(files_below("aliases"), 0u);
  EXPECT_THAT(collect().items, IsEmpty());
}

TEST_F(Gc, RefsOfEveryNamespaceCount) {
  auto other = cas::RefStore::open(*store_, "other").value();
  const auto digest = add_model("acme/x", "bytes");
  ASSERT_TRUE(other.put("acme/x", refs_->get("acme/x").value().value()));
  ASSERT_TRUE(refs_->remove("acme/x"));
  EXPECT_EQ(collect().removed_blobs, 0u);
  EXPECT_TRUE(stored(digest));
  ASSERT_TRUE(other.remove("acme/x"));
  EXPECT_EQ(collect().removed_blobs, 2u);
}

TEST_F(Gc, DryRunOnlyTells) {
  const auto garbage = store_->put("nobody's").value();
  const auto report = collect({GcMode::kOnlyTell, PartialAge::kOld, std::nullopt});
  EXPECT_EQ(report.removed_blobs, 1u);
  EXPECT_THAT(report.items, Contains(Field(&GcItem::what, garbage.text())));
  EXPECT_TRUE(stored(garbage));
}

TEST_F(Gc, SparesWhatIsOpenOrMapped) {
  const auto open = store_->put("open").value();
  const auto mapped = store_->put("mapped").value();
  auto blob = store_->find(open).value();
  void* pages = nullptr;
  {
    const auto other = store_->find(mapped).value();
    pages = ::mmap(nullptr, 6, PROT_READ, MAP_SHARED, other->fd.get(), 0);
  }
  EXPECT_EQ(collect().removed_blobs, 0u);
  blob.reset();
  EXPECT_EQ(collect().removed_blobs, 1u);
  EXPECT_TRUE(stored(mapped));
  ::munmap(pages, 6);
  EXPECT_EQ(collect().removed_blobs, 1u);
}

TEST_F(Gc, SparesWhatIsLeasedAndForgetsTheLeasesOfTheDead) {
  auto lease = cas::Lease::take(*store_, {}).value();
  const auto later = base::Sha256::of("asked for first");
  ASSERT_TRUE(lease->add({&later, 1}, {}));
  // Ingested while the lease is held, by whichever way.
  const auto ingested = store_->put("ingested").value();
  const auto promised = store_->put("asked for first").value();
  EXPECT_EQ(collect().removed_blobs, 0u);
  lease.reset();
  EXPECT_EQ(files_below("leases"), 1u);  // its lock
  EXPECT_EQ(collect().removed_blobs, 2u);
  EXPECT_FALSE(stored(ingested) || stored(promised));
  std::ofstream(root_ + "/store/leases/0123") << std::string(32, 'a');
  (void)collect();
  EXPECT_EQ(files_below("leases"), 1u);
}

TEST_F(Gc, ALeaseIsAddedToOnlyBetweenSweeps) {
  auto lease = cas::Lease::take(*store_, {}).value();
  const auto digest = base::Sha256::of("x");
  auto sweeping = cas::lock_leases(*store_, cas::Sweeping::kYes, {}).value();
  std::stop_source stop;
  stop.request_stop();
  const auto refused = lease->add({&digest, 1}, stop.get_token());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kCancelled);
  sweeping.reset();
  EXPECT_TRUE(lease->add({&digest, 1}, {}));
}

TEST_F(Gc, OneAtATime) {
  const auto running = cas::lock_as_gc(*store_).value();
  const auto second = collect_garbage(*store_, {}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kBusy);
}

TEST_F(Gc, DeletesNothingWhenAManifestCannotBeRead) {
  add_model("acme/x", "bytes");
  const auto garbage = store_->put("garbage").value();
  const auto record = this->record("acme/x").value();
  ASSERT_TRUE(store_->quarantine(record.manifest));
  auto report = collect_garbage(*store_, {}, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kBadManifest);
  EXPECT_THAT(report.error().message, ::testing::HasSubstr("acme/x"));
  EXPECT_TRUE(stored(garbage));
  ASSERT_TRUE(refs_->put("acme/x", "no record"));
  EXPECT_EQ(collect_garbage(*store_, {}, {}).error().code, Code::kBadManifest);
  ASSERT_TRUE(refs_->remove("acme/x"));
  EXPECT_EQ(collect().removed_blobs, 2u);
}

TEST_F(Gc, MaxSizeTakesRefsThatAreNeitherPinnedNorOpen) {
  const std::string bytes(10'000, 'b');
  const auto pinned = add_model("acme/pinned", bytes + "1", 1, true);
  const auto open = add_model("acme/open", bytes + "2", 2);
  const auto old = add_model("acme/old", bytes + "3", 3);
  const auto fresh = add_model("acme/new", bytes + "4", 4);
  const auto reader = store_->find(open).value();
  const auto report = collect({GcMode::kDelete, PartialAge::kOld, 35'000});
  EXPECT_EQ(report.removed_refs, 1u);
  EXPECT_EQ(report.removed_blobs, 2u);
  EXPECT_LE(report.bytes_left, 35'000u);
  EXPECT_FALSE(stored(old));
  EXPECT_FALSE(record("acme/old"));
  EXPECT_TRUE(stored(fresh) && stored(open) && stored(pinned));
  EXPECT_EQ(collect({GcMode::kDelete, PartialAge::kOld, 0}).removed_refs, 1u);
  EXPECT_TRUE(record("acme/pinned") && record("acme/open"));
}

TEST_F(Gc, PartialsGoWhenNobodyNeedsThem) {
  const std::string bytes(cas::kChunkSize + 1, 'p');
  const cas::PartialKey key{base::Sha256::of(bytes), bytes.size(), "https://hub.test acme/p"};
  auto partial = store_->open_partial(key, cas::Preallocate::kYes).value();
  const GcOptions all{GcMode::kDelete, PartialAge::kAny, std::nullopt};
  EXPECT_THAT(collect(all).items, IsEmpty());
  partial.reset();
  EXPECT_THAT(collect().items, IsEmpty());
  const auto report = collect(all);
  ASSERT_EQ(report.items.size(), 1u);
  EXPECT_GE(report.freed_bytes, bytes.size());
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/store/partials"));
  // And the next pull begins anew.
  EXPECT_TRUE(store_->open_partial(key, cas::Preallocate::kNo));
}

// Every file operation of a gc fails once, and then from some point on.
class GcFaults : public Gc,
                 public ::testing::WithParamInterface<std::pair<int, testing::Repeat>> {};

TEST_P(GcFaults, LeaveGarbageAndNeverAHole) {
  using testing::FaultFileOps;
  std::uint64_t failed = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    const auto kept = add_model("acme/kept", "kept", 2);
    add_model("acme/old", std::string(2 * cas::kChunkSize, 'o'), 1);
    (void)store_->put(std::string(cas::kChunkSize + 1, 'g'));
    const cas::PartialKey key{base::Sha256::of("p"), 1, "https://hub.test acme/p"};
    (void)store_->open_partial(key, cas::Preallocate::kYes);
    FaultFileOps faults(files_);
    const auto [error, repeat] = GetParam();
    auto faulty =
        cas::Store::open(root_ + "/store", cas::Access::kWrite, faults, clock_, *log_).value();
    faults.set_fault({nth, error, repeat, testing::FileOp::kAny});
    const auto report =
        collect_garbage(*faulty, {GcMode::kDelete, PartialAge::kAny, 1'000'000}, {});
    failed += report ? 0u : 1u;
    EXPECT_TRUE(record("acme/kept"));
    EXPECT_TRUE(stored(kept));
    if (record("acme/old")) {
      EXPECT_TRUE(stored(base::Sha256::of(std::string(2 * cas::kChunkSize, 'o'))));
    }
    (void)collect({GcMode::kDelete, PartialAge::kAny, 1'000'000});
    EXPECT_EQ(files_below("blobs"), 2u);
    EXPECT_EQ(files_below("sums") + files_below("partials") + files_below("tmp"), 0u);
    if (!faults.fired()) break;
  }
  EXPECT_GT(failed, 5u);
}

INSTANTIATE_TEST_SUITE_P(Errors, GcFaults,
                         ::testing::Values(std::pair(ENOSPC, testing::Repeat::kOnce),
                                           std::pair(EIO, testing::Repeat::kOnce),
                                           std::pair(EIO, testing::Repeat::kSticky)));

}  // namespace
}  // namespace castool::pull
