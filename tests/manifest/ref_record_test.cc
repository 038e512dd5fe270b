#include "manifest/ref_record.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

RefRecord sample() {
  RefRecord record;
  record.name = "acme/x";
  record.source = "hf://acme/x@main";
  record.origin = "https://huggingface.co acme/x";
  record.revision = std::string(40, 'c');
  record.state = RefState::kComplete;
  record.manifest = base::Digest::parse_hex(std::string(64, 'a')).value();
  record.bytes = 9223372036854775807;
  record.bytes_present = 5;
  record.files = 3;
  record.pinned = true;
  record.first_pulled_ns = 1'700'000'000;
  record.pulled_at = 1'700'000'001;
  record.last_used_at = -1;
  record.served_name = "chat";
  record.task = "text_generation";
  record.options = {{"max_num_seqs", "8"}, {"plugin_config", "{\"A\":\"\\\"é\"}"}};
  return record;
}

TEST(RefRecord, PrintsOneDocumentedLine) {
  EXPECT_EQ(print_ref_record(sample()),
            R"({"name":"acme/x","source":"hf://acme/x@main",)"
            R"("origin":"https://huggingface.co acme/x","revision":")" +
                std::string(40, 'c') + R"(","kind":"hub","state":"complete","manifest":"sha256:)" +
                std::string(64, 'a') +
                R"(","bytes":9223372036854775807,"bytes_present":5,"files":3,"pinned":true,)"
                R"("first_pulled_ns":1700000000,"pulled_at":1700000001,"last_used_at":-1,)"
                R"("served_name":"chat","task":"text_generation",)"
                R"("options":{"max_num_seqs":"8","plugin_config":"{\"A\":\"\\\"é\"}"}})"
                "\n");
}

TEST(RefRecord, ComesBackAsItWas) {
  for (const RefState state :
       {RefState::kAbsent, RefState::kPartial, RefState::kComplete, RefState::kDamaged}) {
    RefRecord record = sample();
    record.state = state;
    record.kind = ModelKind::kOllama;
    record.name = "localhost:5000/ns/m:t";
    const auto again = parse_ref_record(print_ref_record(record));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->state, state);
    EXPECT_EQ(again->kind, ModelKind::kOllama);
    EXPECT_EQ(again->options, record.options);
    EXPECT_EQ(print_ref_record(*again), print_ref_record(record));
  }
}

std::string least(const std::string& name, const std::string& more = "") {
  return R"({"name":")" + name + R"(","kind":"hub","state":"partial","manifest":"sha256:)" +
         std::string(64, 'a') + "\"" + more + "}";
}

TEST(RefRecord, MissingOptionalMembersHaveDefaultsAndUnknownOnesAreLeftOut) {
  const auto record = parse_ref_record(least("foo", R"(,"tomorrow":[{"x":1}])"));
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->bytes, 0u);
  EXPECT_FALSE(record->pinned);
  EXPECT_TRUE(record->task.empty());
  EXPECT_THAT(print_ref_record(*record), testing::Not(testing::HasSubstr("tomorrow")));
}

TEST(RefRecord, RefusesWhatIsNotOne) {
  for (const std::string& json :
       {std::string(), std::string("[]"), std::string("{}"), least("../x"), least(""), least("a/"),
        least("a\\nb"), least("hf://acme/x"), least("a", R"(,"name":"b")"),
        least("a", R"(,"bytes":-1)"), least("a", R"(,"bytes":9223372036854775808)"),
        least("a", R"(,"pulled_at":1.5)"), least("a", R"(,"options":[])"),
        least("a", R"(,"options":{"x":1})"), least("a", R"(,"pinned":1)"),
        least("a").substr(0, 60)}) {
    const auto record = parse_ref_record(json);
    ASSERT_FALSE(record) << json;
    EXPECT_EQ(record.error().code, base::Code::kBadManifest);
  }
  std::string other = least("a");
  other.replace(other.find("partial"), 7, "perfect");
  EXPECT_FALSE(parse_ref_record(other));
}

TEST(RefRecord, TakesEveryKindOfName) {
  for (const std::string name : {"gpt2", "foo", "a/b/c/d:t", "llama3.2:3b", "hf.co/u/r:Q4_K_M"}) {
    EXPECT_TRUE(parse_ref_record(least(name))) << name;
  }
}

TEST(RefRecord, KeepsAttachments) {
  RefRecord record = sample();
  const Attachment draft{
      "acme-draft",         "hf://acme/draft@main", "https://huggingface.co acme/draft",
      std::string(40, 'd'), record.manifest,        7};
  record.attachments = {draft, draft};
  record.attachments[1].path = "loras/org/repo";
  const auto again = parse_ref_record(print_ref_record(record));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->attachments, record.attachments);
  record.attachments[0].path = "../up";
  EXPECT_FALSE(parse_ref_record(print_ref_record(record)));
  EXPECT_FALSE(parse_ref_record(least("a", R"(,"attachments":{})")));
  EXPECT_FALSE(parse_ref_record(least("a", R"(,"attachments":[{"path":"x"}])")));
}

TEST(RefState, HasTheWordsOfTheCommandLine) {
  EXPECT_EQ(word(RefState::kAbsent), "absent");
  EXPECT_EQ(word(RefState::kPartial), "partial");
  EXPECT_EQ(word(RefState::kComplete), "complete");
  EXPECT_EQ(word(RefState::kDamaged), "damaged");
}

}  // namespace
}  // namespace castool::manifest
