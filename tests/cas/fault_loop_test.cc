// Every file operation of a whole life of the store fails once, and then from some point on: what
// is left is never wrong, and the next run without faults succeeds.
#include <cerrno>

#include "cas/ref_store.h"
#include "tests/cas/store_fixture.h"
#include "tests/support/fault_file_ops.h"
#include "tests/support/instrumented.h"

namespace castool::cas {
namespace {

using testing::FaultFileOps;
using testing::FileOp;
using testing::Repeat;

constexpr std::uint64_t kStep = testing::kInstrumented ? 3 : 1;

struct Scenario {
  int error;
  Repeat repeat;
};

class FaultLoopTest : public StoreTest, public ::testing::WithParamInterface<Scenario> {
 protected:
  const std::string small_ = content(3000, 7);
  const std::string large_ = content(2 * kChunkSize + 5, 8);

  // Small blob, alias, large blob by way of a partial, ref.
  base::Status life(base::FileOps& files) {
    CASTOOL_ASSIGN(const auto store, try_open(files));
    CASTOOL_ASSIGN(const base::Digest small, store->put(small_));
    CASTOOL_RETURN_IF_ERROR(store->put_alias(origin_key("o"), {}, small));
    CASTOOL_ASSIGN(const auto partial, store->open_partial(key_of(large_), Preallocate::kYes));
    CASTOOL_RETURN_IF_ERROR(fill(*partial, large_, 2 * kChunkSize));
    CASTOOL_RETURN_IF_ERROR(partial->publish(base::Sha256::of(large_)));
    CASTOOL_ASSIGN(RefStore refs, RefStore::open(*store, "default"));
    return refs.put("org/name", "record of " + small.hex());
  }

  void check_whole() {
    const auto store = open(Access::kRead);
    ASSERT_TRUE(store);
    EXPECT_EQ(check_blobs(), 2u);
    EXPECT_EQ(*store->read_small(base::Sha256::of(small_), 1 << 20), small_);
    EXPECT_EQ(slurp(blob_file(base::Sha256::of(large_))), large_);
  }
};

TEST_P(FaultLoopTest, NoFaultLeavesAWrongByteOrAnObstacle) {
  std::uint64_t failed = 0;
  for (std::uint64_t nth = 1;; nth += kStep) {
    // The 256 directories of a new store are one and the same call.
    if (nth >= 20 && nth < 260) nth = 260;
    std::filesystem::remove_all(root());
    FaultFileOps faults(files_);
    faults.set_fault({nth, GetParam().error, GetParam().repeat, FileOp::kAny});
    const base::Status status = life(faults);
    const bool fired = faults.fired();
    check_blobs();
    if (status) check_whole();  // success is said only of what is really there
    if (!status) ++failed;
    const base::Status next = life(files_);
    ASSERT_TRUE(next) << "after call " << nth << ": " << next.error().text();
    check_whole();
    if (!fired) break;
  }
  EXPECT_GT(failed, 40u / kStep);
}

INSTANTIATE_TEST_SUITE_P(Errors, FaultLoopTest,
                         ::testing::Values(Scenario{ENOSPC, Repeat::kOnce},
                                           Scenario{ENOSPC, Repeat::kSticky},
                                           Scenario{EIO, Repeat::kOnce},
                                           Scenario{EIO, Repeat::kSticky}));

}  // namespace
}  // namespace castool::cas
