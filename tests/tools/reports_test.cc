#include "tools/reports.h"

#include <gtest/gtest.h>

#include "base/hasher.h"

namespace castool::tools {
namespace {

using manifest::RefState;

base::Digest digest(std::string_view text) { return base::Sha256::of(text); }

ModelReport model(std::vector<FileReport> files) {
  ModelReport report;
  report.record.bytes = 100;
  report.record.state = RefState::kComplete;
  report.files = std::move(files);
  return report;
}

FileReport file(std::string_view content, std::uint64_t bytes, FileState state) {
  return {std::string(content), "", bytes, digest(content), state};
}

TEST(RefreshRecord, FollowsTheFiles) {
  auto complete = model({file("a", 60, FileState::kVerified), file("b", 40, FileState::kVerified)});
  refresh_record(complete);
  EXPECT_EQ(complete.record.state, RefState::kComplete);
  EXPECT_EQ(complete.record.bytes_present, 100u);

  auto partial = model({file("a", 60, FileState::kVerified), file("b", 40, FileState::kAbsent)});
  refresh_record(partial);
  EXPECT_EQ(partial.record.state, RefState::kPartial);
  EXPECT_EQ(partial.record.bytes_present, 60u);

  auto begun = model({file("a", 60, FileState::kAbsent), file("b", 40, FileState::kPartial)});
  begun.files[1].present = 30;
  refresh_record(begun);
  EXPECT_EQ(begun.record.state, RefState::kPartial);
  EXPECT_EQ(begun.record.bytes_present, 30u);

  auto absent = model({file("a", 60, FileState::kAbsent), file("b", 40, FileState::kPartial)});
  refresh_record(absent);
  EXPECT_EQ(absent.record.state, RefState::kAbsent);
  EXPECT_EQ(absent.record.bytes_present, 0u);
}

TEST(RefreshRecord, CountsADigestOnceAndKeepsDamage) {
  auto twice = model({file("a", 60, FileState::kVerified), file("a", 60, FileState::kVerified)});
  twice.record.bytes = 60;
  refresh_record(twice);
  EXPECT_EQ(twice.record.bytes_present, 60u);
  twice.record.state = RefState::kDamaged;
  refresh_record(twice);
  EXPECT_EQ(twice.record.state, RefState::kDamaged);
}

TEST(DryRunReport, CountsWhatIsMissingOnce) {
  const std::vector<pull::PlannedFile> files = {{"a", 10, "sha256:1", true},
                                                {"b", 20, "sha256:2", false},
                                                {"c", 20, "sha256:2", false},
                                                {"d", 90, "sha256:3", false, true}};
  const DryRunReport report = dry_run_report(files);
  EXPECT_EQ(report.files, 4u);
  EXPECT_EQ(report.bytes, 140u);
  EXPECT_EQ(report.bytes_to_fetch, 20u);
}

TEST(UsageReport, SaysWhatIsSaved) {
  std::vector<manifest::RefRecord> records(2);
  for (auto& record : records) record.bytes = record.bytes_present = 100;
  cas::StoreUsage usage;
  usage.blobs = 4;
  usage.stored_bytes = 120;
  usage.partial_bytes = 7;
  usage.free_bytes = 1000;
  const UsageReport report = usage_report(usage, records);
  EXPECT_EQ(report.logical_bytes, 200u);
  EXPECT_EQ(report.saved_bytes, 80u);
  EXPECT_EQ(report.refs, 2u);
  EXPECT_EQ(report.blobs, 4u);
  EXPECT_EQ(report.partial_bytes, 7u);
  EXPECT_EQ(report.free_bytes, 1000u);
  // More stored than named: garbage that gc has not seen yet saves nothing.
  EXPECT_EQ(usage_report(usage, {}).saved_bytes, 0u);
  // What is not there is not saved either.
  for (auto& record : records) record.bytes_present = 0;
  EXPECT_EQ(usage_report(usage, records).saved_bytes, 0u);
}

cas::PartialInfo partial(std::string_view content, std::uint64_t present, std::vector<int> pids) {
  cas::PartialInfo info;
  info.digest = digest(content);
  info.origin = "https://host a/b";
  info.size = 1000;
  info.present = present;
  info.pids = std::move(pids);
  return info;
}

TEST(TransferReports, GiveTheRateBetweenTwoLooks) {
  const std::vector<cas::PartialInfo> first = {partial("a", 100, {7}), partial("idle", 5, {}),
                                               partial("gone", 5, {8})};
  const std::vector<cas::PartialInfo> second = {partial("a", 300, {7, 9}), partial("idle", 5, {}),
                                                partial("new", 50, {7})};
  const auto reports = transfer_reports(
      first, second, std::chrono::duration<double>(std::chrono::milliseconds(500)));
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].digest, digest("a"));
  EXPECT_EQ(reports[0].done, 300u);
  EXPECT_EQ(reports[0].total, 1000u);
  EXPECT_DOUBLE_EQ(reports[0].bytes_per_second, 400);
  EXPECT_DOUBLE_EQ(*reports[0].eta_seconds, 1.75);
  EXPECT_EQ(reports[0].pids, (std::vector<int>{7, 9}));
  EXPECT_EQ(reports[1].digest, digest("new"));
  EXPECT_DOUBLE_EQ(reports[1].bytes_per_second, 100);
}

TEST(TransferReports, OfOneDigestFromTwoOriginsEachHasItsOwnRate) {
  cas::PartialInfo here = partial("a", 100, {7});
  cas::PartialInfo there = here;
  there.origin = "https://other org/name";
  there.present = 0;
  const std::vector<cas::PartialInfo> first = {here, there};
  here.present = 150;
  there.present = 10;
  const auto reports =
      transfer_reports(first, std::vector{here, there}, std::chrono::duration<double>(1));
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_DOUBLE_EQ(reports[0].bytes_per_second, 50);
  EXPECT_DOUBLE_EQ(reports[1].bytes_per_second, 10);
}

TEST(TransferReports, AStalledOneHasNoEta) {
  const std::vector<cas::PartialInfo> same = {partial("a", 100, {7})};
  const auto reports = transfer_reports(same, same, std::chrono::duration<double>(0.5));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].bytes_per_second, 0);
  EXPECT_FALSE(reports[0].eta_seconds);
  // A dropped chunk makes the count go back; that is no rate below zero.
  const auto back = transfer_reports(same, std::vector{partial("a", 50, {7})},
                                     std::chrono::duration<double>(0.5));
  EXPECT_EQ(back[0].bytes_per_second, 0);
}

}  // namespace
}  // namespace castool::tools
