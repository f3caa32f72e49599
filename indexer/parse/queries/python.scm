; Captures: @definition.KIND with @name (and @body where the signature ends, @doc for documentation inside the body);
; @scope with @name names what it encloses without being a symbol; @owner is a receiver that stands outside;
; @comment, @leading (stands before a definition and belongs to it); @import with @module, @import.name, @import.alias.

(function_definition name: (identifier) @name body: (block . (expression_statement (string) @doc)? ) @body) @definition.function
(class_definition name: (identifier) @name body: (block . (expression_statement (string) @doc)? ) @body) @definition.class

(module (expression_statement (assignment left: (identifier) @name)) @definition.variable)
(module (expression_statement (assignment left: (identifier) @name type: (_))) @definition.variable)
(class_definition body: (block (expression_statement (assignment left: (identifier) @name)) @definition.field))
(type_alias_statement left: (type (identifier) @name)) @definition.type

(comment) @comment
(decorator) @leading

(import_statement name: (dotted_name) @module) @import
(import_statement name: (aliased_import name: (dotted_name) @module alias: (identifier) @import.alias)) @import
(import_from_statement module_name: (_) @module name: (dotted_name) @import.name) @import
(import_from_statement module_name: (_) @module
  name: (aliased_import name: (dotted_name) @import.name alias: (identifier) @import.alias)) @import
(import_from_statement module_name: (_) @module (wildcard_import) @import.name) @import
