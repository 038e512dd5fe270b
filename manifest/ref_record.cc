#include "manifest/ref_record.h"

#include <array>
#include <optional>
#include <utility>

#include "manifest/json_value.h"
#include "manifest/manifest.h"
#include "manifest/path_rules.h"
#include "manifest/printable.h"
#include "manifest/source.h"

namespace castool::manifest {
namespace {

constexpr std::string_view kWhat = "ref record";
constexpr JsonLimits kLimits{1u << 20, 20'000, kMaxJsonDepth};

constexpr std::array kStates{RefState::kAbsent, RefState::kPartial, RefState::kComplete,
                             RefState::kDamaged};
constexpr std::array kKinds{ModelKind::kHub, ModelKind::kOllama};

std::string_view kind_word(ModelKind kind) { return kind == ModelKind::kHub ? "hub" : "ollama"; }

template <class Values, class Word>
auto by_word(const Values& values, std::string_view text, Word word_of)
    -> std::optional<typename Values::value_type> {
  for (const auto value : values) {
    if (word_of(value) == text) return value;
  }
  return std::nullopt;
}

// A name that came out of source.h: what the store puts into a path.
bool is_ref_name(const std::string& name) {
  if (parse_custom_name(name)) return true;
  const auto source = parse_source(name);
  return source && ref_name(*source) == name;
}

base::Status read_names(const JsonFields& fields, RefRecord& record) {
  CASTOOL_ASSIGN(record.name, fields.string("name"));
  if (!is_ref_name(record.name)) return fields.error("name", "no name: " + printable(record.name));
  CASTOOL_ASSIGN(record.source, fields.string_or("source", ""));
  CASTOOL_ASSIGN(record.origin, fields.string_or("origin", ""));
  CASTOOL_ASSIGN(record.revision, fields.string_or("revision", ""));
  CASTOOL_ASSIGN(const std::string kind, fields.string("kind"));
  const auto known_kind = by_word(kKinds, kind, kind_word);
  if (!known_kind) return fields.error("kind", "unknown: " + printable(kind));
  record.kind = *known_kind;
  CASTOOL_ASSIGN(const std::string state, fields.string("state"));
  const auto known_state = by_word(kStates, state, [](RefState value) { return word(value); });
  if (!known_state) return fields.error("state", "unknown: " + printable(state));
  record.state = *known_state;
  CASTOOL_ASSIGN(const std::string digest, fields.string("manifest"));
  CASTOOL_ASSIGN(record.manifest, base::Digest::parse(digest));
  return base::ok();
}

base::Status read_figures(const JsonFields& fields, RefRecord& record) {
  CASTOOL_ASSIGN(record.bytes, fields.size_or("bytes", 0));
  CASTOOL_ASSIGN(record.bytes_present, fields.size_or("bytes_present", 0));
  CASTOOL_ASSIGN(record.files, fields.size_or("files", 0));
  CASTOOL_ASSIGN(record.pinned, fields.boolean_or("pinned", false));
  CASTOOL_ASSIGN(record.on_demand, fields.boolean_or("on_demand", false));
  CASTOOL_ASSIGN(record.first_pulled_ns, fields.integer_or("first_pulled_ns", 0));
  CASTOOL_ASSIGN(record.pulled_at, fields.integer_or("pulled_at", 0));
  CASTOOL_ASSIGN(record.last_used_at, fields.integer_or("last_used_at", 0));
  return base::ok();
}

base::Status read_serving(const JsonFields& fields, RefRecord& record) {
  CASTOOL_ASSIGN(record.served_name, fields.string_or("served_name", ""));
  CASTOOL_ASSIGN(record.task, fields.string_or("task", ""));
  CASTOOL_ASSIGN(const JsonValue* options, fields.object_or_null("options"));
  if (options == nullptr) return base::ok();
  for (const auto& [name, value] : *options->object()) {
    if (value.string() == nullptr) return fields.error("options", "a value that is not a string");
    record.options.emplace(name, *value.string());
  }
  return base::ok();
}

base::Status read_patterns(const JsonValue& root, std::string_view name,
                           std::vector<std::string>& patterns) {
  if (root.find(name) == nullptr) return base::ok();
  const JsonFields fields(root, kWhat);
  CASTOOL_ASSIGN(const JsonValue::Array* list, fields.array(name));
  for (const JsonValue& value : *list) {
    if (value.string() == nullptr) return fields.error(name, "a value that is not a string");
    patterns.push_back(*value.string());
  }
  return base::ok();
}

base::Result<Attachment> read_attachment(const JsonValue& value) {
  const JsonFields fields(value, kWhat);
  Attachment attachment;
  CASTOOL_ASSIGN(attachment.path, fields.string("path"));
  if (const auto path = check_path(attachment.path); !path) {
    return fields.error("path", path.error().message);
  }
  CASTOOL_ASSIGN(attachment.source, fields.string_or("source", ""));
  CASTOOL_ASSIGN(attachment.origin, fields.string_or("origin", ""));
  CASTOOL_ASSIGN(attachment.revision, fields.string_or("revision", ""));
  CASTOOL_ASSIGN(const std::string digest, fields.string("manifest"));
  CASTOOL_ASSIGN(attachment.manifest, base::Digest::parse(digest));
  CASTOOL_ASSIGN(attachment.bytes, fields.size_or("bytes", 0));
  return attachment;
}

base::Status read_attachments(const JsonValue& root, RefRecord& record) {
  if (root.find("attachments") == nullptr) return base::ok();
  CASTOOL_ASSIGN(const JsonValue::Array* list, JsonFields(root, kWhat).array("attachments"));
  for (const JsonValue& value : *list) {
    CASTOOL_ASSIGN(auto attachment, read_attachment(value));
    record.attachments.push_back(std::move(attachment));
  }
  return base::ok();
}

std::string print_attachments(const std::vector<Attachment>& attachments) {
  std::string out = "[";
  for (const Attachment& attachment : attachments) {
    if (out.size() > 1) out += ',';
    out += "{\"path\":" + json_quote(attachment.path);
    out += ",\"source\":" + json_quote(attachment.source);
    out += ",\"origin\":" + json_quote(attachment.origin);
    out += ",\"revision\":" + json_quote(attachment.revision);
    out += ",\"manifest\":" + json_quote(attachment.manifest.text());
    out += ",\"bytes\":" + std::to_string(attachment.bytes) + "}";
  }
  return out + "]";
}

std::string print_patterns(const std::vector<std::string>& patterns) {
  std::string out = "[";
  for (const std::string& pattern : patterns) {
    if (out.size() > 1) out += ',';
    out += json_quote(pattern);
  }
  return out + "]";
}

std::string print_options(const std::map<std::string, std::string>& options) {
  std::string out = "{";
  for (const auto& [name, value] : options) {
    if (out.size() > 1) out += ',';
    out += json_quote(name);
    out += ':';
    out += json_quote(value);
  }
  return out + "}";
}

}  // namespace

std::string_view word(RefState state) {
  switch (state) {
    case RefState::kAbsent: return "absent";
    case RefState::kPartial: return "partial";
    case RefState::kComplete: return "complete";
    case RefState::kDamaged: return "damaged";
  }
  return "absent";
}

std::string print_ref_record(const RefRecord& record) {
  std::string out;
  const auto member = [&out](std::string_view name, const std::string& value) {
    out += out.empty() ? "{\"" : ",\"";
    out += name;
    out += "\":";
    out += value;
  };
  member("name", json_quote(record.name));
  member("source", json_quote(record.source));
  member("origin", json_quote(record.origin));
  member("revision", json_quote(record.revision));
  member("kind", json_quote(kind_word(record.kind)));
  member("state", json_quote(word(record.state)));
  member("manifest", json_quote(record.manifest.text()));
  member("bytes", std::to_string(record.bytes));
  member("bytes_present", std::to_string(record.bytes_present));
  member("files", std::to_string(record.files));
  member("pinned", record.pinned ? "true" : "false");
  if (record.on_demand) member("on_demand", "true");
  member("first_pulled_ns", std::to_string(record.first_pulled_ns));
  member("pulled_at", std::to_string(record.pulled_at));
  member("last_used_at", std::to_string(record.last_used_at));
  if (!record.include.empty()) member("include", print_patterns(record.include));
  if (!record.exclude.empty()) member("exclude", print_patterns(record.exclude));
  member("served_name", json_quote(record.served_name));
  member("task", json_quote(record.task));
  member("options", print_options(record.options));
  if (!record.attachments.empty()) member("attachments", print_attachments(record.attachments));
  return out + "}\n";
}

base::Result<RefRecord> parse_ref_record(std::string_view json) {
  CASTOOL_ASSIGN(const JsonValue root, parse_json(json, kLimits, kWhat));
  if (root.object() == nullptr) {
    return base::make_error(base::Code::kBadManifest, "ref record: not an object");
  }
  const JsonFields fields(root, kWhat);
  RefRecord record;
  CASTOOL_RETURN_IF_ERROR(read_names(fields, record));
  CASTOOL_RETURN_IF_ERROR(read_figures(fields, record));
  CASTOOL_RETURN_IF_ERROR(read_serving(fields, record));
  CASTOOL_RETURN_IF_ERROR(read_patterns(root, "include", record.include));
  CASTOOL_RETURN_IF_ERROR(read_patterns(root, "exclude", record.exclude));
  CASTOOL_RETURN_IF_ERROR(read_attachments(root, record));
  return record;
}

}  // namespace castool::manifest
