// Pulls from an Ollama registry, end to end but for the sockets.
#include <fstream>

#include <gmock/gmock.h>

#include "tests/pull/pull_fixture.h"
#include "tests/pull/test_keys.h"

namespace castool::pull {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RegistryPull : public PullFixture {
 protected:
  RegistryPull() { manifest_ = fake_.add_model("library/tiny", "1b", gguf_); }

  [[nodiscard]] std::vector<std::string> authorizations(const std::string& part) const {
    std::vector<std::string> values;
    for (const auto& request : network_->requests()) {
      if (request.url.find(part) == std::string::npos) continue;
      values.push_back(request.headers.get("Authorization").value_or("none"));
    }
    return values;
  }

  const std::string gguf_ = bytes_of((3u << 20) + 99, 4);
  std::string manifest_;
};

TEST_F(RegistryPull, KeepsTheManifestsBytes) {
  const auto outcome = pull_text("tiny:1b");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->name, "tiny:1b");
  EXPECT_EQ(outcome->manifest, base::Sha256::of(manifest_));
  EXPECT_EQ(store_->read_small(outcome->manifest, 1u << 20).value(), manifest_);
  EXPECT_EQ(outcome->files, 4u);  // a layer listed twice is one
  EXPECT_EQ(blob(gguf_), gguf_);
  EXPECT_EQ(blob("free"), "free");
  const auto saved = record("tiny:1b");
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->kind, manifest::ModelKind::kOllama);
  EXPECT_EQ(saved->revision, "1b");
  EXPECT_EQ(saved->task, "text_generation");
  EXPECT_EQ(saved->origin, "https://registry.test library/tiny");
}

TEST_F(RegistryPull, FollowsBlobsToAnotherHostWithoutTheToken) {
  fake_.registry_token = "canary";
  fake_.blobs_redirect = true;
  ASSERT_TRUE(pull_text("tiny:1b"));
  EXPECT_THAT(urls_at(kFakeCdn), testing::Not(IsEmpty()));
  EXPECT_THAT(authorizations(kFakeCdn), testing::Each("none"));
  EXPECT_THAT(authorizations("/token"), ElementsAre("none"));
  EXPECT_THAT(authorizations("/blobs/"), testing::Each("Bearer canary"));
}

TEST_F(RegistryPull, SendsTheTokenWithRangesThatTheRegistryServesItself) {
  fake_.registry_token = "canary";
  ASSERT_TRUE(pull_text("tiny:1b"));
  EXPECT_EQ(blob(gguf_), gguf_);
}

TEST_F(RegistryPull, SignsTheTokenRequestWithTheUsersKey) {
  fake_.registry_token = "canary";
  origins_.ollama_key_path = root_ + "/id_ed25519";
  std::ofstream(origins_.ollama_key_path) << kPlainKey;
  ASSERT_TRUE(pull_text("tiny:1b"));
  const auto sent = authorizations("/token");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent.front(), testing::StartsWith("AAAAC3NzaC1lZDI1NTE5"));
  EXPECT_THAT(urls_at(kFakeRegistry), testing::Contains(HasSubstr("/token?nonce=")));
}

TEST_F(RegistryPull, RenewsATokenThatExpiresMeanwhile) {
  fake_.registry_token = "first";
  bool expired = false;
  fake_.before = [&](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    if (request.url.find("/blobs/") != std::string::npos && !expired) {
      expired = true;
      fake_.registry_token = "second";
    }
    return std::nullopt;
  };
  const auto outcome = pull_text("tiny:1b");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(authorizations("/token").size(), 2u);
}

TEST_F(RegistryPull, GivesUpWhenNoTokenIsGoodEnough) {
  fake_.registry_token = "wanted";
  fake_.after = [](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (request.url.find("/token") != std::string::npos) answer.body = R"({"token":"other"})";
  };
  const auto outcome = pull_text("tiny:1b");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kUnauthorized);
  EXPECT_EQ(authorizations("/token").size(), 1u);
}

TEST_F(RegistryPull, TakesNoDemandForATokenFromTheHostOfABlob) {
  fake_.registry_token = "canary";
  fake_.blobs_redirect = true;
  fake_.after = [](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (!request.url.starts_with(kFakeCdn)) return;
    answer = {};
    answer.status = 401;
    answer.headers.add("WWW-Authenticate", R"(Bearer realm="https://registry.test/token")");
  };
  const auto outcome = pull_text("tiny:1b");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kUnauthorized) << outcome.error().text();
  EXPECT_EQ(authorizations("/token").size(), 1u);
}

TEST_F(RegistryPull, AsksNoForeignRealm) {
  origins_.ollama_key_path = root_ + "/id_ed25519";
  std::ofstream(origins_.ollama_key_path) << kPlainKey;
  fake_.registry_token = "canary";
  fake_.after = [](const fetch::HttpRequest&, FakeAnswer& answer) {
    if (answer.status != 401) return;
    answer.headers = {};
    answer.headers.add("WWW-Authenticate", R"(Bearer realm="https://evil.test/token")");
  };
  const auto outcome = pull_text("tiny:1b");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kUnauthorized);
  EXPECT_THAT(urls_at("https://evil.test"), IsEmpty());
}

TEST_F(RegistryPull, ReusesWhatAHubBroughtAndTheOtherWayRound) {
  fake_.repos["acme/tiny-GGUF"].files["tiny.gguf"] = {gguf_, true};
  ASSERT_TRUE(pull_text("acme/tiny-GGUF"));
  start_network();
  const auto outcome = pull_text("tiny:1b");
  ASSERT_TRUE(outcome);
  EXPECT_LT(outcome->bytes_fetched, 1000u);
  EXPECT_GE(outcome->bytes_reused, gguf_.size());

  fake_.repos["acme/other-GGUF"].files["other.gguf"] = {gguf_, true};
  start_network();
  EXPECT_EQ(pull_text("acme/other-GGUF")->bytes_fetched, 0u);
  EXPECT_THAT(urls_at(kFakeCdn), IsEmpty());
}

TEST_F(RegistryPull, SaysWhatIsWrong) {
  const auto missing = pull_text("tiny:nope");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().message, "pull model manifest: file does not exist");

  const auto wrong_manifest = [&](const std::string& body, const char* digest) {
    fake_.after = [body, digest](const fetch::HttpRequest& request, FakeAnswer& answer) {
      if (request.url.find("/manifests/") == std::string::npos) return;
      answer.body = body;
      if (digest != nullptr) answer.headers.add("Docker-Content-Digest", digest);
    };
    return pull_text("tiny:1b").error().code;
  };
  EXPECT_EQ(wrong_manifest("<html>", nullptr), Code::kUnavailable);
  EXPECT_EQ(wrong_manifest(manifest_.substr(0, 100), nullptr), Code::kUnavailable);
  EXPECT_EQ(
      wrong_manifest(R"({"schemaVersion":2,"layers":[{"digest":"sha256:../../x"}]})", nullptr),
      Code::kBadManifest);
  const std::string other = base::Sha256::of(std::string_view("other")).text();
  EXPECT_EQ(wrong_manifest(manifest_, other.c_str()), Code::kDigestMismatch);
  EXPECT_EQ(store_->usage()->blobs, 0u);
}

TEST_F(RegistryPull, RefusesABlobOfAnotherSizeBeforeFetchingIt) {
  for (auto& [path, bytes] : fake_.registry_files) {
    if (path.find("/blobs/") != std::string::npos && bytes == gguf_) bytes += "more";
  }
  const auto outcome = pull_text("tiny:1b");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kDigestMismatch);
}

TEST_F(RegistryPull, CopesWithARegistryThatIgnoresRanges) {
  fake_.before = [&](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    if (request.url.find("/blobs/") == std::string::npos) return std::nullopt;
    FakeAnswer answer;
    answer.body =
        fake_.registry_files.at(request.url.substr((std::string(kFakeRegistry) + "/v2/").size()));
    return answer;
  };
  const auto outcome = pull_text("tiny:1b");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(gguf_), gguf_);
}

TEST_F(RegistryPull, AsksForEveryBlobByItsWholeName) {
  ASSERT_TRUE(pull_text("tiny:1b"));
  EXPECT_THAT(urls_at(kFakeRegistry),
              testing::Contains("https://registry.test/v2/library/tiny/blobs/" +
                                base::Sha256::of(gguf_).text()));
}

}  // namespace
}  // namespace castool::pull
