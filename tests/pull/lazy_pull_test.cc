// Pulls that leave large files to their readers, end to end but for the sockets.
#include <gmock/gmock.h>

#include "cas/partial.h"
#include "tests/pull/pull_fixture.h"

namespace castool::pull {
namespace {

using testing::IsEmpty;

constexpr std::uint64_t kMiB = 1u << 20;

std::string little(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xff);
  return bytes;
}

class LazyPull : public PullFixture {
 protected:
  LazyPull() {
    request_.extent = Extent::kLazy;
    FakeRepo& repo = fake_.repos["acme/model"];
    repo.files["config.json"] = {R"({"a":1})", false};
    repo.files["big.txt"] = {text_, false};
    repo.files["small.bin"] = {bytes_of(kMiB, 1), true};
    repo.files["weights.bin"] = {weights_, true};
    repo.files["model.gguf"] = {gguf_, true};
    repo.files["model.safetensors"] = {safetensors_, true};
  }

  [[nodiscard]] std::optional<cas::PartialInfo> partial(const std::string& bytes) const {
    return cas::find_partial(*store_, base::Sha256::of(bytes), "https://hub.test acme/model")
        .value();
  }
  [[nodiscard]] std::uint64_t partial_bytes(const std::string& bytes) const {
    const auto found = partial(bytes);
    return found ? found->present : 0;
  }

  const std::string text_ = bytes_of(2 * kMiB, 9);
  const std::string weights_ = bytes_of(9 * kMiB + 5, 2);
  // A key of three chunks, then tensors.
  const std::string gguf_ = "GGUF" + little(3, 4) + little(0, 8) + little(1, 8) + little(1, 8) +
                            "k" + little(8, 4) + little(2 * kMiB + 5, 8) + bytes_of(12 * kMiB, 3);
  const std::string safetensors_ = little(100, 8) + bytes_of(5 * kMiB, 4);
};

TEST_F(LazyPull, NamesTheModelWithItsSmallFilesAndHeaders) {
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(text_), text_);  // no digest without the content
  EXPECT_TRUE(blob(bytes_of(kMiB, 1)));
  for (const auto& large : {weights_, gguf_, safetensors_}) EXPECT_FALSE(blob(large));
  EXPECT_EQ(partial(weights_), std::nullopt);
  EXPECT_EQ(partial_bytes(safetensors_), kMiB);
  EXPECT_EQ(partial_bytes(gguf_), 3 * kMiB);
  const auto saved = record("acme/model");
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->state, manifest::RefState::kPartial);
  EXPECT_EQ(saved->bytes_present, 7 + 2 * kMiB + kMiB + kMiB + 3 * kMiB);
  EXPECT_EQ(saved->bytes, outcome->bytes);
  EXPECT_EQ(outcome->bytes_fetched, saved->bytes_present);
  EXPECT_EQ(outcome->bytes_reused, 0u);
}

TEST_F(LazyPull, APlainPullCompletesIt) {
  ASSERT_TRUE(pull_text("acme/model"));
  start_network();
  request_.extent = Extent::kWhole;
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(record("acme/model")->state, manifest::RefState::kComplete);
  EXPECT_EQ(outcome->bytes_fetched,
            weights_.size() + gguf_.size() - 3 * kMiB + safetensors_.size() - kMiB);
  EXPECT_EQ(blob(gguf_), gguf_);
}

TEST_F(LazyPull, OfACompleteModelLeavesItComplete) {
  request_.extent = Extent::kWhole;
  ASSERT_TRUE(pull_text("acme/model"));
  start_network();
  request_.extent = Extent::kLazy;
  ASSERT_TRUE(pull_text("acme/model"));
  EXPECT_THAT(urls_at(kFakeCdn), IsEmpty());
  EXPECT_EQ(record("acme/model")->state, manifest::RefState::kComplete);
}

TEST_F(LazyPull, AgainTransfersNothing) {
  ASSERT_TRUE(pull_text("acme/model"));
  start_network();
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->bytes_fetched, 0u);
  EXPECT_EQ(record("acme/model")->state, manifest::RefState::kPartial);
}

TEST_F(LazyPull, ShowsNothingWhenAHeaderCannotBeHad) {
  const std::string hex = base::Sha256::of(gguf_).hex();
  fake_.after = [hex](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (request.url.starts_with(kFakeCdn) && request.url.find(hex) != std::string::npos) {
      answer.status = 404;
    }
  };
  EXPECT_FALSE(pull_text("acme/model"));
  EXPECT_FALSE(record("acme/model"));
}

TEST_F(LazyPull, AsksWhetherItMayHaveWhatIsHereInPart) {
  fake_.repos["acme/one"].files["model.gguf"] = {gguf_, true};
  ASSERT_TRUE(pull_text("acme/one"));
  // The header is here; this caller may not have it.
  fake_.repos["acme/one"].allowed = false;
  request_.name = "mine";
  EXPECT_EQ(pull_text("acme/one").error().code, base::Code::kGated);
  EXPECT_FALSE(record("mine"));
}

TEST_F(LazyPull, OfADryRunSaysWhatComesLater) {
  request_.mode = Mode::kDryRun;
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome);
  int later = 0;
  for (const auto& file : outcome->planned) later += file.later ? 1 : 0;
  EXPECT_EQ(later, 3);
}

TEST_F(LazyPull, OfARegistryKnowsItsModelLayers) {
  fake_.add_model("library/tiny", "1b", gguf_);
  ASSERT_TRUE(pull_text("tiny:1b"));
  EXPECT_EQ(record("tiny:1b")->state, manifest::RefState::kPartial);
  const auto header =
      cas::find_partial(*store_, base::Sha256::of(gguf_), "https://registry.test library/tiny");
  ASSERT_TRUE(header && *header);
  EXPECT_EQ((*header)->present, 3 * kMiB);
}

}  // namespace
}  // namespace castool::pull
