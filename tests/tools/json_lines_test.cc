#include "tools/json_lines.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/hasher.h"

namespace castool::tools {
namespace {

const base::Digest kDigest = base::Sha256::of("x");
const std::string kDigestText = kDigest.text();

TEST(JsonLines, Error) {
  base::Error error = base::make_error(base::Code::kDigestMismatch, "unused");
  error.digest = "sha256:ab";
  EXPECT_EQ(error_object(error, "pull a/b: wrong \"bytes\""),
            R"({"error":{"code":"digest_mismatch","message":"pull a/b: wrong \"bytes\"",)"
            R"("digest":"sha256:ab","url":null}})");
}

TEST(JsonLines, BadUtf8IsReplacedNotThrown) {
  const std::string line = status_event("a\xff");
  EXPECT_EQ(nlohmann::json::parse(line)["status"], "a\xEF\xBF\xBD");
}

TEST(JsonLines, EventsAreOllamas) {
  EXPECT_EQ(status_event("pulling manifest"), R"({"status":"pulling manifest"})");
  EXPECT_EQ(progress_event("pulling 2d711642b726", kDigestText, 10, 0),
            R"({"status":"pulling 2d711642b726","digest":")" + kDigestText + R"(","total":10})");
  EXPECT_EQ(progress_event("a/config.json", kDigestText, 10, 4),
            R"({"status":"pulling 2d711642b726","digest":")" + kDigestText +
                R"(","total":10,"completed":4})");
  EXPECT_EQ(progress_event("a/config.json", "", 10, 10),
            R"({"status":"pulling a/config.json","total":10,"completed":10})");
  EXPECT_EQ(progress_event("a/empty", "", 0, 0), R"({"status":"pulling a/empty"})");
}

TEST(JsonLines, PullResult) {
  pull::PullOutcome outcome;
  outcome.name = "a/b";
  outcome.manifest = kDigest;
  outcome.revision = "c0ffee";
  outcome.files = 3;
  outcome.bytes = 100;
  outcome.bytes_fetched = 60;
  outcome.bytes_reused = 40;
  outcome.seconds = 1.23456;
  EXPECT_EQ(pull_result(outcome), R"({"status":"success","name":"a/b","manifest":")" + kDigestText +
                                      R"(","revision":"c0ffee","files":3,"bytes":100,)"
                                      R"("bytes_fetched":60,"bytes_reused":40,"seconds":1.235})");
}

TEST(JsonLines, DryRun) {
  EXPECT_EQ(planned_file({"a b.json", 7, "git-sha1:ab", true}),
            R"({"path":"a b.json","bytes":7,"digest":"git-sha1:ab","present":true})");
  EXPECT_EQ(dry_run_result({2, 30, 10}),
            R"({"status":"dry-run","files":2,"bytes":30,"bytes_to_fetch":10})");
}

manifest::RefRecord record() {
  manifest::RefRecord record;
  record.name = "a/b";
  record.source = "hf://a/b@main";
  record.revision = "c0ffee";
  record.state = manifest::RefState::kComplete;
  record.manifest = kDigest;
  record.bytes = 100;
  record.bytes_present = 90;
  record.pulled_at = 1'795'231'100;
  return record;
}

const std::string kRefFields = R"("name":"a/b","source":"hf://a/b@main","revision":"c0ffee",)"
                               R"("manifest":")" +
                               kDigestText +
                               R"(","bytes":100,"bytes_present":90,"state":"complete",)"
                               R"("pinned":false,"pulled_at":"2026-11-21T03:18:20Z",)"
                               R"("last_used_at":null)";

TEST(JsonLines, Ref) {
  EXPECT_EQ(ref_object(record(), std::nullopt), "{" + kRefFields + "}");
  EXPECT_EQ(ref_object(record(), "team"), R"({"namespace":"team",)" + kRefFields + "}");
}

TEST(JsonLines, Model) {
  ModelReport report;
  report.record = record();
  report.record.task = "text_generation";
  report.record.options["max_num_seqs"] = "8";
  report.files = {{"x/y.bin", "", 5, kDigest, FileState::kVerified}};
  report.views["ovms"] = {"a/b", ""};
  report.views["ollama"] = {"", "no GGUF"};
  EXPECT_EQ(model_object(report),
            "{" + kRefFields + R"(,"files":[{"path":"x/y.bin","bytes":5,"digest":")" + kDigestText +
                R"(","state":"verified"}],"options":{"task":)"
                R"("text_generation","max_num_seqs":"8"},"views":)"
                R"({"ollama":{"left_out":"no GGUF"},"ovms":"a/b"}})");
  const auto empty = nlohmann::json::parse(model_object({}));
  EXPECT_TRUE(empty["files"].is_array());
  EXPECT_TRUE(empty["options"].is_object());
  EXPECT_TRUE(empty["views"].is_object());
}

TEST(JsonLines, Usage) {
  EXPECT_EQ(usage_object({100, 60, 40, 5, 7, 3, 2}),
            R"({"logical_bytes":100,"stored_bytes":60,"saved_bytes":40,"partial_bytes":5,)"
            R"("free_bytes":7,"blobs":3,"refs":2})");
}

TEST(JsonLines, Removal) {
  EXPECT_EQ(removal_object(1, 0, 0), R"({"removed_refs":1,"removed_blobs":0,"freed_bytes":0})");
}

TEST(JsonLines, Transfer) {
  EXPECT_EQ(transfer_object({kDigest, 5, 10, 2.4, 2.0833333, {12, 34}}),
            R"({"digest":")" + kDigestText +
                R"(","done":5,"total":10,"bytes_per_second":2,"eta_seconds":2.083,)"
                R"("pids":[12,34]})");
  EXPECT_EQ(nlohmann::json::parse(transfer_object({}))["eta_seconds"], nullptr);
}

}  // namespace
}  // namespace castool::tools
