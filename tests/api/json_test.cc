#include "api/json.h"

#include <gtest/gtest.h>

#include "api/errors.h"
#include "api/metrics.h"
#include "api/model_facts.h"

namespace castool::api {
namespace {

using base::Code;
using base::make_error;

TEST(Json, LeavesOutWhatIsZero) {
  EXPECT_EQ(progress_event("pulling ab", "sha256:ab", 10, 5),
            R"({"status":"pulling ab","digest":"sha256:ab","total":10,"completed":5})");
  EXPECT_EQ(progress_event("pulling ab", "sha256:ab", 10, 0),
            R"({"status":"pulling ab","digest":"sha256:ab","total":10})");
  EXPECT_EQ(progress_event("a/b", "sha256:0123456789abcdef", 0, 0),
            R"({"status":"pulling 0123456789ab","digest":"sha256:0123456789abcdef"})");
  EXPECT_EQ(progress_event("a/b", "", 10, 0), R"({"status":"pulling a/b","total":10})");
  EXPECT_EQ(status_event("success"), R"({"status":"success"})");
  EXPECT_EQ(error_body("a \"b\" \xff"), "{\"error\":\"a \\\"b\\\" \xef\xbf\xbd\"}");
}

TEST(Json, ListsModelsAsOllamaDoes) {
  ModelEntry model;
  model.name = "m:t";
  model.modified_at = "2026-11-21T03:18:20Z";
  model.size = 7;
  model.digest = "00";
  model.details = {"gguf", "llama", {"llama"}, "3.2B", "Q4_K_M", 131072, 3072};
  model.capabilities = {"completion"};
  EXPECT_EQ(tags_body({entry_body(model)}),
            R"({"models":[{"name":"m:t","model":"m:t","modified_at":"2026-11-21T03:18:20Z",)"
            R"("size":7,"digest":"00","details":{"parent_model":"","format":"gguf",)"
            R"("family":"llama","families":["llama"],"parameter_size":"3.2B",)"
            R"("quantization_level":"Q4_K_M","context_length":131072,"embedding_length":3072},)"
            R"("capabilities":["completion"]}]})");
  EXPECT_EQ(tags_body({}), R"({"models":[]})");
}

TEST(Errors, HaveOllamasWords) {
  struct Row {
    Code code;
    const char* message;
    Stage stage;
    const char* text;
    int status;
  };
  const Row rows[] = {
      {Code::kNotFound, "pull model manifest: file does not exist", Stage::kManifest,
       "pull model manifest: file does not exist", 404},
      {Code::kNotFound, "no such repository", Stage::kManifest,
       "pull model manifest: file does not exist: no such repository", 404},
      {Code::kUnavailable, "no route", Stage::kManifest, "pull model manifest: no route", 500},
      {Code::kUnavailable, "no route", Stage::kLayers, "max retries exceeded: no route", 500},
      {Code::kDigestMismatch, "want a, got b", Stage::kLayers,
       "digest mismatch, file must be downloaded again: want a, got b", 500},
      {Code::kUnauthorized, "401", Stage::kManifest, "pull model manifest: 401", 500},
      {Code::kNoSpace, "3 are free at /srv/store", Stage::kLayers, "no space left on the server",
       500},
      {Code::kIo, "read /srv/store/blobs/x", Stage::kManifest, "the server's disk failed", 500},
      {Code::kUnavailable, "cannot lock /srv/store/x", Stage::kLayers,
       "max retries exceeded: unavailable", 500},
      {Code::kUsage, "bad", Stage::kManifest, "bad", 400},
  };
  for (const Row& row : rows) {
    const auto error = make_error(row.code, row.message);
    EXPECT_EQ(pull_error_text(error, row.stage, "/srv/store"), row.text);
    EXPECT_EQ(pull_error_status(error), row.status) << row.message;
  }
}

TEST(ModelFacts, PrintsParametersAsOllamaDoes) {
  EXPECT_EQ(parameter_lines(R"({"stop":["a","b"],"temperature":0.5,"num_ctx":4096,"x":-1})"),
            "stop                           \"a\"\n"
            "stop                           \"b\"\n"
            "temperature                    0.5\n"
            "num_ctx                        4096\n"
            "x                              -1");
  EXPECT_EQ(parameter_lines("[1]"), "");
  EXPECT_EQ(parameter_lines("{"), "");
}

TEST(Metrics, AreWrittenAsPrometheusReadsThem) {
  Metrics metrics;
  pull::PullOutcome outcome;
  outcome.bytes = 10;
  outcome.bytes_fetched = 7;
  outcome.bytes_reused = 3;
  metrics.pull_ended(outcome);
  metrics.pull_ended(make_error(Code::kNotFound, "x"));
  metrics.request_answered(200);
  metrics.add({Gauge::Kind::kGauge, "castool_x", "kind=\"a\"", "Some.", [] { return 5U; }});
  metrics.add({Gauge::Kind::kGauge, "castool_x", "kind=\"b\"", "Some.", [] { return 6U; }});
  const std::string text = metrics.text();
  for (const char* line :
       {"castool_pulls_total 1\n", "castool_fetched_bytes_total 7\n",
        "castool_reused_bytes_total 3\n", "castool_verified_bytes_total 10\n",
        "castool_pull_errors_total{kind=\"not_found\"} 1\n",
        "castool_http_requests_total{code=\"200\"} 1\n",
        "# TYPE castool_x gauge\ncastool_x{kind=\"a\"} 5\ncastool_x{kind=\"b\"} 6\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

}  // namespace
}  // namespace castool::api
