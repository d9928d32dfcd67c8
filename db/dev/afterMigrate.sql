-- Flyway runs this after each migration of the development stack: a few public buildings, so that there is something
-- to look at. Only into an empty table; their types of housing are made up.
insert into housing.housing (address, street, city, postal_code, housing_type_id)
select address, street, city, postal_code, housing_types.id
from (values
  ('501', 'Belleville Street', 'Victoria', 'V8V 1X4', 'SFD'), -- Parliament Buildings
  ('735', 'Broughton Street', 'Victoria', 'V8W 3H2', 'COP'), -- Greater Victoria Public Library
  ('1', 'Centennial Square', 'Victoria', 'V8W 1P6', 'ASL'), -- Victoria City Hall
  ('350', 'West Georgia Street', 'Vancouver', 'V6B 6B1', 'MFD'), -- Vancouver Public Library
  ('453', 'West 12th Avenue', 'Vancouver', 'V5Y 1V4', 'MFD'), -- Vancouver City Hall
  ('13450', '104 Avenue', 'Surrey', 'V3T 1V8', 'COP') -- Surrey City Hall
) as building (address, street, city, postal_code, code)
join housing.housing_types using (code)
where not exists (select from housing.housing)
order by postal_code;
