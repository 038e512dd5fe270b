#include "tools/store_command_line.h"

#include <charconv>
#include <utility>

#include <CLI/CLI.hpp>

#include "tools/quantity.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

Status take_size(const char* option, const std::optional<std::string>& text,
                 std::optional<std::uint64_t>& size) {
  if (!text) return base::ok();
  auto parsed = parse_size(*text);
  if (!parsed) return std::move(parsed).error().in(option);
  size = *parsed;
  return base::ok();
}

// "n/t" with 1 <= n <= t.
Status take_subset(const std::optional<std::string>& text, pull::Subset& subset) {
  if (!text) return base::ok();
  const char* const end = text->data() + text->size();
  const auto [slash, bad_n] = std::from_chars(text->data(), end, subset.n);
  if (bad_n == std::errc() && slash != end && *slash == '/') {
    const auto [rest, bad_t] = std::from_chars(slash + 1, end, subset.t);
    if (bad_t == std::errc() && rest == end && subset.n >= 1 && subset.n <= subset.t) {
      return base::ok();
    }
  }
  return base::make_error(base::Code::kUsage, "--subset: not n/t with n from 1 to t: " + *text,
                          "1/7 today, 2/7 tomorrow, and so on");
}

}  // namespace

void add_max_size(CLI::App& command, std::optional<std::string>& text) {
  command.add_option("--max-size", text, "Remove the least recently used models above this size")
      ->option_text("S");
}

Status finish_max_size(const std::optional<std::string>& text, std::optional<std::uint64_t>& size) {
  return take_size("--max-size", text, size);
}

void add_store_commands(const std::function<CLI::App*(const std::string& name)>& add_command,
                        RawStoreArguments& raw) {
  CLI::App& update = *add_command("update");
  update.add_option("NAME", raw.update.names, "As ls prints it (all)")->option_text(" ");
  update.add_flag("--dry-run", raw.update.dry_run, "Only tell what would change");
  CLI::App& cp = *add_command("cp");
  cp.add_option("NAME", raw.cp.from, "As ls prints it")->required()->option_text(" ");
  cp.add_option("NEW", raw.cp.to, "Its second name")->required()->option_text(" ");
  CLI::App& pin = *add_command("pin");
  pin.add_option("NAME", raw.pin.names, "As ls prints it")->required()->option_text(" ");
  CLI::App& unpin = *add_command("unpin");
  unpin.add_option("NAME", raw.unpin.names, "As ls prints it")->required()->option_text(" ");
  CLI::App& gc = *add_command("gc");
  gc.add_flag("--dry-run", raw.gc.dry_run, "Only tell what would go, and why");
  gc.add_option("--max-size", raw.gc_max_size, "Remove models until the rest fits")
      ->option_text("S");
  gc.add_flag("--partials", raw.gc.partials, "Unfinished pulls as well");
  CLI::App& import = *add_command("import");
  import.add_option("PATH", raw.import.path, "A directory or a GGUF file")
      ->required()
      ->option_text(" ");
  import.add_option("NAME", raw.import.name, "Its name here (as the file or directory)")
      ->option_text(" ");
  CLI::App& quota = *add_command("quota");
  quota.add_option("NS", raw.quota.ns, "A namespace (all)")->option_text(" ");
  quota.add_option("SIZE", raw.quota_size, "What it may hold, such as 200G, or none")
      ->option_text(" ");
  CLI::App& fsck = *add_command("fsck");
  fsck.add_option("NAME", raw.fsck.names, "Only what these models need (all)")->option_text(" ");
  fsck.add_flag("--repair", raw.fsck.repair, "Fetch bad chunks again");
  fsck.add_option("--subset", raw.subset, "One part of so many, such as 1/7")->option_text("n/t");
  fsck.add_flag("--quick", raw.fsck.quick, "Compare checksums (XXH3) in place of SHA-256");
  fsck.add_flag("--dry-run", raw.fsck.dry_run, "Change nothing, only tell");
}

Result<std::optional<CommandArguments>> finish_store_command(const std::string& name,
                                                             RawStoreArguments& raw) {
  using Some = std::optional<CommandArguments>;
  if (name == "update") return Some(std::move(raw.update));
  if (name == "cp") return Some(std::move(raw.cp));
  if (name == "pin") return Some(std::move(raw.pin));
  if (name == "unpin") {
    raw.unpin.pinned = false;
    return Some(std::move(raw.unpin));
  }
  if (name == "quota") {
    raw.quota.remove = raw.quota_size == "none";
    if (!raw.quota.remove) {
      CASTOOL_RETURN_IF_ERROR(take_size("SIZE", raw.quota_size, raw.quota.bytes));
    }
    return Some(std::move(raw.quota));
  }
  if (name == "import") return Some(std::move(raw.import));
  if (name == "fsck") {
    CASTOOL_RETURN_IF_ERROR(take_subset(raw.subset, raw.fsck.subset));
    if (raw.fsck.repair && raw.fsck.dry_run) {
      return base::make_error(base::Code::kUsage, "--repair and --dry-run contradict");
    }
    return Some(std::move(raw.fsck));
  }
  if (name == "gc") {
    CASTOOL_RETURN_IF_ERROR(take_size("--max-size", raw.gc_max_size, raw.gc.max_size));
    return Some(raw.gc);
  }
  return Some();
}

}  // namespace castool::tools
