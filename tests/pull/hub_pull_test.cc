// Pulls from a Hub, end to end but for the sockets.
#include <gmock/gmock.h>

#include "manifest/manifest.h"
#include "tests/pull/pull_fixture.h"

namespace castool::pull {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HubPull : public PullFixture {
 protected:
  HubPull() {
    FakeRepo& repo = fake_.repos["acme/model"];
    repo.files["config.json"] = {R"({"a":1})", false};
    repo.files["empty/__init__.py"] = {"", false};
    repo.files["odd #1/100% ü?.txt"] = {"odd", false};
    repo.files["same.json"] = {R"({"a":1})", false};
    repo.files["small.bin"] = {bytes_of(1000, 1), true};
    repo.files["weights.bin"] = {weights_, true};
  }

  const std::string weights_ = bytes_of((5u << 20) + 12345, 2);
};

TEST_F(HubPull, StoresEveryFileAndNamesTheModel) {
  fake_.repos["acme/model"].page_size = 2;
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->name, "acme/model");
  EXPECT_EQ(outcome->revision, std::string(40, 'c'));
  EXPECT_EQ(outcome->files, 6u);
  const std::uint64_t distinct = 7 + 0 + 3 + 1000 + weights_.size();
  EXPECT_EQ(outcome->bytes, distinct);
  EXPECT_EQ(outcome->bytes_fetched, distinct);
  EXPECT_EQ(outcome->bytes_reused, 0u);

  const auto text = store_->read_small(outcome->manifest, manifest::kMaxHubManifestBytes);
  ASSERT_TRUE(text);
  const auto manifest = manifest::parse_hub_manifest(*text);
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(manifest->repo, "acme/model");
  EXPECT_EQ(manifest->endpoint, kFakeHub);
  for (const auto& file : manifest->files) {
    const FakeFile& served = fake_.repos["acme/model"].files.at(file.path);
    EXPECT_EQ(store_->read_small(file.digest, 1u << 30).value(), served.bytes) << file.path;
    EXPECT_EQ(file.git_oid.has_value(), !served.lfs) << file.path;
  }
  const auto saved = record("acme/model");
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->state, manifest::RefState::kComplete);
  EXPECT_EQ(saved->manifest, outcome->manifest);
  EXPECT_EQ(saved->origin, "https://hub.test acme/model");
  EXPECT_EQ(saved->bytes, distinct);
}

TEST_F(HubPull, TellsItsEventsInOrder) {
  ASSERT_TRUE(pull_text("acme/model"));
  EXPECT_THAT(events_.statuses,
              ElementsAre("pulling manifest", "verifying sha256 digest", "writing manifest"));
  EXPECT_EQ(events_.last, events_.totals);
  EXPECT_EQ(events_.totals.at("weights.bin"), weights_.size());
}

TEST_F(HubPull, AgainAsksThreeQuestionsAndTransfersNothing) {
  const auto first = pull_text("acme/model");
  ASSERT_TRUE(first);
  start_network();
  const auto second = pull_text("acme/model");
  ASSERT_TRUE(second);
  EXPECT_LE(network_->requests().size(), 3u);
  EXPECT_THAT(urls_at(kFakeCdn), IsEmpty());
  EXPECT_EQ(second->manifest, first->manifest);
  EXPECT_EQ(second->bytes_fetched, 0u);
  EXPECT_EQ(second->bytes_reused, second->bytes);
}

TEST_F(HubPull, AgainAsksThreeQuestionsAlsoAboutSmallFilesOnly) {
  fake_.repos["acme/model"].files = {{"config.json", {"{}", false}}, {"README.md", {"#", false}}};
  ASSERT_TRUE(pull_text("acme/model"));
  start_network();
  ASSERT_TRUE(pull_text("acme/model"));
  EXPECT_EQ(network_->requests().size(), 3u);
}

TEST_F(HubPull, BelievesNoMirrorThatAnotherHubWouldAllowAFile) {
  fake_.repos["acme/model"].files = {{"weights.bin", {weights_, true}}};
  ASSERT_TRUE(pull_text("acme/model"));
  ASSERT_TRUE(refs_->remove("acme/model"));
  fake_.before = [](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    FakeAnswer answer;
    if (request.url.starts_with("https://huggingface.co")) {
      answer.status = 403;
      answer.headers.add("X-Error-Code", "GatedRepo");
      return answer;
    }
    if (request.url.find("/resolve/") == std::string::npos) return std::nullopt;
    answer.status = 302;
    answer.headers.add("Location", "https://huggingface.co/acme/model/resolve/main/weights.bin");
    return answer;
  };
  EXPECT_EQ(pull_text("acme/model").error().code, Code::kGated);
}

TEST_F(HubPull, AsksForNoEmptyFileAndForEachContentOnce) {
  ASSERT_TRUE(pull_text("acme/model"));
  int json = 0;
  for (const auto& url : urls_at(kFakeHub)) {
    EXPECT_THAT(url, testing::Not(HasSubstr("__init__")));
    json += url.find("/resolve/") != std::string::npos && url.ends_with(".json") ? 1 : 0;
  }
  EXPECT_EQ(json, 1);
}

TEST_F(HubPull, KeepsTheTokenToTheEndpoint) {
  origins_.hub_token = "hf_canary";
  fake_.repos["acme/model"].page_size = 2;
  ASSERT_TRUE(pull_text("acme/model"));
  int with_token = 0;
  for (const auto& request : network_->requests()) {
    const auto sent = request.headers.get("Authorization");
    if (request.url.starts_with(std::string(kFakeHub) + "/")) {
      EXPECT_EQ(sent, "Bearer hf_canary") << request.url;
      ++with_token;
    } else {
      EXPECT_EQ(sent, std::nullopt) << request.url;
    }
    EXPECT_THAT(request.url, testing::Not(HasSubstr("hf_canary")));
  }
  EXPECT_GT(with_token, 5);
  EXPECT_THAT(urls_at(kFakeCdn), testing::Not(IsEmpty()));
}

TEST_F(HubPull, GivesTheTokenToNoHostThatTheApiRedirectsTo) {
  origins_.hub_token = "hf_canary";
  fake_.before = [](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    if (request.url.find("/revision/") == std::string::npos) return std::nullopt;
    FakeAnswer answer;
    answer.status = 302;
    answer.headers.add("Location", "https://evil.test/api");
    return answer;
  };
  EXPECT_FALSE(pull_text("acme/model"));
  for (const auto& request : network_->requests()) {
    if (!request.url.starts_with("https://evil.test")) continue;
    EXPECT_EQ(request.headers.get("Authorization"), std::nullopt);
  }
}

TEST_F(HubPull, RecordsTheNewNameOfARenamedRepository) {
  fake_.renamed["old/name"] = "acme/model";
  const auto outcome = pull_text("old/name");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->name, "old/name");
  EXPECT_EQ(record("old/name")->origin, "https://hub.test acme/model");
}

TEST_F(HubPull, TakesOnlyWhatIsWanted) {
  request_.include = {"*.json"};
  request_.exclude = {"same*"};
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->files, 1u);
  request_.include = {"nothing"};
  EXPECT_EQ(pull_text("acme/model").error().code, Code::kNotFound);
}

TEST_F(HubPull, OfADryRunWritesNothing) {
  request_.mode = Mode::kDryRun;
  const auto before = store_files();
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(store_files(), before);
  ASSERT_EQ(outcome->planned.size(), 6u);
  for (const auto& file : outcome->planned) EXPECT_FALSE(file.present && file.bytes > 0);
  EXPECT_THAT(outcome->planned[0].digest, HasSubstr("git-sha1:"));
  EXPECT_THAT(outcome->planned[5].digest, HasSubstr("sha256:"));

  request_.mode = Mode::kFetch;
  ASSERT_TRUE(pull_text("acme/model"));
  request_.mode = Mode::kDryRun;
  const auto again = pull_text("acme/model");
  ASSERT_TRUE(again);
  for (const auto& file : again->planned) EXPECT_TRUE(file.present) << file.path;
}

TEST_F(HubPull, OfflineAsksNobody) {
  origins_.offline = true;
  EXPECT_EQ(pull_text("acme/model").error().code, Code::kUnavailable);
  origins_.offline = false;
  ASSERT_TRUE(pull_text("acme/model"));
  origins_.offline = true;
  start_network();
  EXPECT_TRUE(pull_text("acme/model"));
  EXPECT_TRUE(pull_text("acme/model@" + std::string(40, 'c')));
  EXPECT_EQ(pull_text("acme/model@v2").error().code, Code::kUnavailable);
  EXPECT_THAT(network_->requests(), IsEmpty());
}

TEST_F(HubPull, GivesItsTokenToNoOtherHubThatAMirrorPointsAt) {
  // A mirror sends us to the public Hub, which serves the file itself.
  origins_.hub_token = "canary";
  fake_.before = [this](const fetch::HttpRequest& request) -> std::optional<FakeAnswer> {
    constexpr std::string_view kPublic = "https://huggingface.co";
    FakeAnswer answer;
    if (request.url.starts_with(kPublic)) {
      EXPECT_FALSE(request.headers.get("Authorization"));
      answer.body = weights_;
      if (request.range) {
        answer.status = 206;
        answer.body = weights_.substr(request.range->offset, request.range->length);
        answer.headers.add("Content-Range", "bytes " + std::to_string(request.range->offset) + "-" +
                                                std::to_string(request.range->end() - 1) + "/" +
                                                std::to_string(weights_.size()));
      }
      return answer;
    }
    if (request.url.find("/resolve/") == std::string::npos) return std::nullopt;
    answer.status = 302;
    answer.headers.add("Location", std::string(kPublic) + "/acme/model/resolve/main/weights.bin");
    return answer;
  };
  fake_.repos["acme/model"].files = {{"weights.bin", {weights_, true}}};
  const auto outcome = pull_text("acme/model");
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(blob(weights_), weights_);
}

TEST_F(HubPull, SaysWhatIsWrong) {
  EXPECT_EQ(pull_text("acme/nothing").error().code, Code::kNotFound);
  EXPECT_EQ(pull_text("acme/model@nope").error().code, Code::kNotFound);
  fake_.repos["acme/model"].gated = "\"manual\"";
  fake_.repos["acme/model"].allowed = false;
  const auto gated = pull_text("acme/model");
  ASSERT_FALSE(gated);
  EXPECT_EQ(gated.error().code, Code::kGated);
  EXPECT_THAT(gated.error().text(), HasSubstr("https://hub.test/acme/model"));
  EXPECT_THAT(urls_at(kFakeCdn), IsEmpty());
  EXPECT_EQ(record("acme/model"), std::nullopt);
}

TEST_F(HubPull, DoesNotHandOutStoredFilesOfAGatedRepository) {
  ASSERT_TRUE(pull_text("acme/model"));
  ASSERT_TRUE(refs_->remove("acme/model"));
  fake_.repos["acme/model"].allowed = false;  // and the tree still answers
  EXPECT_EQ(pull_text("acme/model").error().code, Code::kGated);
  EXPECT_EQ(record("acme/model"), std::nullopt);
}

TEST_F(HubPull, TakesAPageForNoHub) {
  fake_.before = [](const fetch::HttpRequest&) {
    FakeAnswer answer;
    answer.body = "<!DOCTYPE html><p>Please log in";
    return answer;
  };
  const auto outcome = pull_text("acme/model");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kUnavailable);
  EXPECT_THAT(outcome.error().text(), HasSubstr("proxy or portal"));
}

TEST_F(HubPull, RefusesPathsThatWouldEscape) {
  for (const char* path : {"../escape", "/etc/x", "a/../b", "a//b", ".git/config"}) {
    fake_.repos["acme/model"].files = {{path, {"x", false}}};
    const auto outcome = pull_text("acme/model");
    ASSERT_FALSE(outcome) << path;
    EXPECT_EQ(outcome.error().code, Code::kBadManifest) << path;
  }
}

TEST_F(HubPull, RefusesAnAddressThatContradictsTheTree) {
  fake_.after = [](const fetch::HttpRequest& request, FakeAnswer& answer) {
    if (request.url.find("/resolve/") == std::string::npos || answer.status != 302) return;
    fetch::Headers headers;
    headers.add("Location", *answer.headers.get("Location"));
    headers.add("X-Linked-Size", "17");
    answer.headers = headers;
  };
  EXPECT_EQ(pull_text("acme/model").error().code, Code::kDigestMismatch);
}

TEST_F(HubPull, KeepsOptionsAndNamesAcrossPulls) {
  request_.name = "mine";
  request_.options = {{"max_num_seqs", "8"}};
  request_.task = "text_generation";
  ASSERT_TRUE(pull_text("acme/model"));
  request_.options = {};
  request_.task = "";
  fake_.repos["acme/model"].commit = std::string(40, 'd');
  ASSERT_TRUE(pull_text("acme/model"));
  const auto saved = record("mine");
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->revision, std::string(40, 'd'));
  EXPECT_EQ(saved->options.at("max_num_seqs"), "8");
  EXPECT_EQ(saved->task, "text_generation");
  EXPECT_EQ(record("acme/model"), std::nullopt);
}

TEST_F(HubPull, ForcedFindsRot) {
  ASSERT_TRUE(pull_text("acme/model"));
  request_.recheck = Recheck::kYes;
  ASSERT_TRUE(pull_text("acme/model"));
  const std::string hex = base::Sha256::of(weights_).hex();
  const std::string path = root_ + "/store/blobs/sha256/" + hex.substr(0, 2) + "/" + hex;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::pwrite(fd.get(), "rot", 3, 100), 3);
  EXPECT_EQ(pull_text("acme/model").error().code, Code::kDigestMismatch);
}

}  // namespace
}  // namespace castool::pull
